package stonith

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"
)

// A silent is a Device that never answers, and says so at the end of the context.
type silent struct{}

func (silent) Check(ctx context.Context, _ []Node) error { <-ctx.Done(); return ctx.Err() }
func (silent) State(ctx context.Context, _ Node) (Power, error) {
	<-ctx.Done()
	return Unknown, ctx.Err()
}
func (silent) Switch(ctx context.Context, _ Node, _ Power) error { <-ctx.Done(); return ctx.Err() }
func (silent) List(ctx context.Context) ([]string, error)        { <-ctx.Done(); return nil, ctx.Err() }
func (silent) Close() error                                      { return nil }

// memoryConfig is a Config without parameters.
type memoryConfig struct {
	device Device
	warns  bool
	opens  func() // what it does at first, nothing if it is nil
}

func (memoryConfig) Params() []Param { return nil }

func (c memoryConfig) Open(call Call) (Device, error) {
	if c.opens != nil {
		c.opens()
	}
	if c.warns { // as a device does that is asked for several nodes at once
		var all sync.WaitGroup
		for range 8 {
			all.Go(func() { call.Warn(strings.Repeat("w", 1000)) })
		}
		all.Wait()
	}
	return c.device, nil
}

// memoryPlugin has one kind of device.
func memoryPlugin(c memoryConfig) Plugin {
	return Plugin{
		Name: "memory", Title: "Memory", Plug: PlugSyntax{Word: "guest", Check: anyPlug},
		Agent: Agent{Name: "fence_memory"}, New: func() Config { return c },
	}
}

// process is one with these parameters, by both faces: in the environment, or on standard input.
func process(args []string, params map[string]string, stdout, stderr io.Writer) Process {
	var stdin strings.Builder
	for name, value := range params {
		fmt.Fprintf(&stdin, "%s=%s\n", name, value)
	}
	return Process{
		Args: args, Stdin: strings.NewReader(stdin.String()), Getenv: func(name string) string { return params[name] },
		Hostname: func() (string, error) { return "elsewhere", nil }, Stdout: stdout, Stderr: stderr, Log: quietLog{}, ID: "c0ffee00",
	}
}

// What only looks ends before the time-out that a cluster has for it; timeout counts if
// it is less. A fence has all of timeout.
func TestStatusTimeout(t *testing.T) {
	const listed = "hostlist=n1"
	tests := []struct {
		name   string
		args   []string // of the external face
		params string
		want   time.Duration
	}{
		{"status", []string{"status"}, listed, 15 * time.Second},
		{"status, own limit", []string{"status"}, listed + ",status_timeout=8", 8 * time.Second},
		{"status, longer than timeout", []string{"status"}, listed + ",timeout=5,status_timeout=8", 5 * time.Second},
		{"status, default longer than timeout", []string{"status"}, listed + ",timeout=5", 5 * time.Second},
		{"status, longer than usual", []string{"status"}, listed + ",status_timeout=40", 40 * time.Second},
		{"off", []string{"off", "n1"}, listed + ",status_timeout=8", 45 * time.Second},
		{"check", []string{"check"}, listed + ",status_timeout=8", 45 * time.Second},
		{"monitor", nil, "action=monitor," + listed, 15 * time.Second},
		{"monitor, without nodes", nil, "action=monitor", 15 * time.Second},
		{"monitor, own limit", nil, "action=monitor,status_timeout=8," + listed, 8 * time.Second},
		{"monitor, power_timeout is less", nil, "action=monitor,power_timeout=5," + listed, 5 * time.Second},
		{"status of a node", nil, "action=status,plug=n1," + listed, 15 * time.Second},
		{"list, asked of the device", nil, "action=list", 15 * time.Second},
		{"list, timeout is less", nil, "action=list,timeout=5", 5 * time.Second},
		{"list-status", nil, "action=list-status," + listed, 15 * time.Second},
		{"off by the agent", nil, "action=off,plug=n1,status_timeout=8," + listed, 45 * time.Second},
		{"reboot by the agent", nil, "action=reboot,plug=n1,status_timeout=8," + listed, 45 * time.Second},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				plugin := memoryPlugin(memoryConfig{device: silent{}})
				params := map[string]string{}
				for pair := range strings.SplitSeq(tt.params, ",") {
					name, value, _ := strings.Cut(pair, "=")
					params[name] = value
				}
				var stdout, stderr bytes.Buffer
				run := plugin.RunAgent
				if tt.args != nil {
					run = plugin.Run
				}
				start := time.Now()
				status := run(t.Context(), process(tt.args, params, &stdout, &stderr))
				if took := time.Since(start); took != tt.want {
					t.Errorf("it took %s, want %s", took, tt.want)
				}
				if status != 1 || !strings.Contains(stderr.String(), "timed-out") {
					t.Errorf("exit status %d, stderr %q, want 1 with the reason", status, &stderr)
				}
			})
		})
	}
}

// fullPipe returns the end to write to of a pipe that is full and nobody reads, as
// another process's is: its writes wait in the kernel.
func fullPipe(t *testing.T) *os.File {
	t.Helper()
	reader, writer, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	raw, err := writer.SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	err = raw.Write(func(fd uintptr) bool { // which does not block
		for err == nil {
			_, err = syscall.Write(int(fd), make([]byte, 4096))
		}
		return true
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { reader.Close(); writer.Close() })
	return writer
}

// Who does not read what we write does not stop a fence, by both faces: a warning before
// the contact, or the verdict.
func TestOutputThatNobodyReads(t *testing.T) {
	t.Parallel()
	params := map[string]string{"action": "off", "plug": "n1", "hostlist": "n1"}
	for _, agent := range []bool{false, true} {
		for _, deaf := range []string{"stdout", "stderr", "both"} {
			t.Run(fmt.Sprintf("%s, agent %t", deaf, agent), func(t *testing.T) {
				t.Parallel()
				device := &script{states: []answer{{power: On}, {power: Off}}}
				plugin := memoryPlugin(memoryConfig{device: device, warns: true})
				stdout, stderr := io.Discard, io.Discard
				if deaf != "stderr" {
					stdout = fullPipe(t)
				}
				if deaf != "stdout" {
					stderr = fullPipe(t)
				}
				args, run := []string{"off", "n1"}, plugin.Run
				if agent {
					args, run = nil, plugin.RunAgent
				}
				done := make(chan int)
				go func() { done <- run(t.Context(), process(args, params, stdout, stderr)) }()
				select {
				case status := <-done:
					if status != 0 || strings.Join(device.calls, " ") != "state off state" {
						t.Errorf("exit status %d, calls %q, want 0 and a fence", status, device.calls)
					}
				case <-time.After(time.Minute):
					t.Error("it still waits after a minute")
				}
			})
		}
	}
}

// drip is a standard input that does not end by itself: it gives some bytes from time to time.
type drip struct {
	ctx   context.Context // the test's
	text  string
	pause time.Duration
}

func (d drip) Read(p []byte) (int, error) {
	if !Sleep(d.ctx, d.pause) {
		return 0, io.EOF
	}
	return copy(p, d.text), nil
}

// A standard input that never ends, or never begins, has a limit in time and size.
func TestInputThatNeverEnds(t *testing.T) {
	for _, tt := range []struct {
		name  string
		input func(ctx context.Context) io.Reader
		at    time.Duration
		says  string
	}{
		{"never begins", func(ctx context.Context) io.Reader { return drip{ctx, "", time.Hour} }, 10*time.Second + grace, "has not ended within 10s"},
		{"never ends", func(ctx context.Context) io.Reader {
			return io.MultiReader(strings.NewReader("action=off\nplug=n1\n"), drip{ctx, "", time.Hour})
		}, 10*time.Second + grace, "has not ended within 10s"},
		{"drips", func(ctx context.Context) io.Reader { return drip{ctx, "action=off\n", time.Second} }, 10*time.Second + grace, "has not ended within 10s"},
		{"too much at once", func(ctx context.Context) io.Reader { return drip{ctx, strings.Repeat("action=off\n", 100), 0} }, 0, "more than"},
		{"a line without an end", func(ctx context.Context) io.Reader { return drip{ctx, strings.Repeat("x", 1000), 0} }, 0, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var stderr bytes.Buffer
				device := &script{states: []answer{{power: On}}}
				input := process(nil, nil, io.Discard, &stderr)
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel() // the reader that is left ends by it
				input.Stdin = tt.input(ctx)
				start := time.Now()
				status := memoryPlugin(memoryConfig{device: device}).RunAgent(t.Context(), input)
				if took := time.Since(start); took != tt.at {
					t.Errorf("it took %s, want %s", took, tt.at)
				}
				if status != 1 || !strings.Contains(stderr.String(), "bad-config: standard input: "+tt.says) || len(device.calls) > 0 {
					t.Errorf("exit status %d, calls %q, stderr %q, want bad-config with %q", status, device.calls, &stderr, tt.says)
				}
			})
		})
	}
}

// A cluster on a busy machine that takes its time to write is no mistake.
func TestInputThatIsSlow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		reader, writer := io.Pipe()
		go func() {
			for _, line := range []string{"action=off", "plug=n1", "hostlist=n1"} {
				time.Sleep(3 * time.Second)
				_, _ = writer.Write([]byte(line + "\n"))
			}
			writer.Close()
		}()
		input := process(nil, nil, io.Discard, io.Discard)
		input.Stdin = reader
		device := &script{states: []answer{{power: Off}}}
		if status := memoryPlugin(memoryConfig{device: device}).RunAgent(t.Context(), input); status != 0 {
			t.Errorf("exit status %d, want 0", status)
		}
	})
}

// What is read before the device is asked is in the time limit of the call.
func TestTimeBeforeTheDevice(t *testing.T) {
	slowly := func(lines ...string) func() io.Reader {
		return func() io.Reader {
			reader, writer := io.Pipe()
			go func() {
				time.Sleep(9 * time.Second)
				_, _ = io.WriteString(writer, strings.Join(lines, "\n"))
				writer.Close()
			}()
			return reader
		}
	}
	at := func(lines ...string) func() io.Reader {
		return func() io.Reader { return strings.NewReader(strings.Join(lines, "\n")) }
	}
	for _, tt := range []struct {
		name  string
		input func() io.Reader
		opens time.Duration // how long the files take
		want  time.Duration
		says  string
	}{
		{"monitor, slow input", slowly("action=monitor", "hostlist=n1"), 0, 15 * time.Second, "timed-out"},
		{"off, slow input", slowly("action=off", "plug=n1", "hostlist=n1"), 0, 45 * time.Second, "timed-out"},
		{"off, slow input and files", slowly("action=off", "plug=n1", "hostlist=n1"), 10 * time.Second, 45 * time.Second, "timed-out"},
		{"off, slow input, little time", slowly("action=off", "plug=n1", "hostlist=n1", "timeout=5"), 0, 9 * time.Second, "before the device was asked"},
		{"monitor, files that hang", at("action=monitor", "hostlist=n1"), time.Hour, 15*time.Second + grace, "timed-out: the files that the parameters name"},
		{"off, files that hang", at("action=off", "plug=n1", "hostlist=n1"), time.Hour, 45*time.Second + grace, "timed-out: the files that the parameters name"},
		{"validate, files that hang", at("action=validate-all", "hostlist=n1"), time.Hour, 45*time.Second + grace, "timed-out: the files that the parameters name"},
		{"off after a delay", at("action=off", "plug=n1", "hostlist=n1", "delay=60"), 0, 105 * time.Second, "timed-out"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var stderr bytes.Buffer
				call := process(nil, nil, io.Discard, &stderr)
				call.Stdin = tt.input()
				config := memoryConfig{device: silent{}, opens: func() { time.Sleep(tt.opens) }}
				defer time.Sleep(tt.opens) // until what hung has ended
				start := time.Now()
				status := memoryPlugin(config).RunAgent(t.Context(), call)
				if took := time.Since(start); took != tt.want {
					t.Errorf("it took %s, want %s", took, tt.want)
				}
				if status != 1 || !strings.Contains(stderr.String(), tt.says) {
					t.Errorf("exit status %d, stderr %q, want 1 with %q", status, &stderr, tt.says)
				}
			})
		})
	}
}

// A file on storage that hangs is named, long before the time limit of a call.
func TestFileThatHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		storage := make(chan struct{})
		defer close(storage)
		start := time.Now()
		_, err := inTime(fileLimit, "passwd_file", "/srv/secret", func() ([]byte, error) { <-storage; return nil, nil })
		if took := time.Since(start); took != fileLimit+grace {
			t.Errorf("it took %s, want %s", took, fileLimit+grace)
		}
		if err == nil || ReasonOf(err) != TimedOut || !strings.Contains(err.Error(), "passwd_file: /srv/secret was not read within 5s") {
			t.Errorf("error %v, want one that names the file", err)
		}
	})
}
