package main

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"regexp"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/stonith-plugins/stonith-plugins/plugins/internal/stonith"
	"github.com/stonith-plugins/stonith-plugins/plugins/ipmi/rmcp"
)

const (
	// maxSaid is more than ipmitool prints, in bytes, and maxQuoted is what errors show of it.
	maxSaid, maxQuoted = 4 << 10, 300
	// killDelay is how long output is waited for once ipmitool has ended.
	killDelay = time.Second
)

// toolHint is for what ipmitool says of anything that keeps it from a session.
const toolHint = "ipmitool does not tell a wrong password, user, K_g or cipher suite from a dead BMC; leave the parameter ipmitool out to be told"

// An ipmitool is the program of that name, and the BMC that it is to log in at.
type ipmitool struct {
	path  string
	login rmcp.Config
	// addresses and protocols are what can be tried. What worked last stands first.
	addresses []string
	protocols []protocol
}

// A protocol is options of ipmitool: an interface and its cipher suite or authentication.
type protocol []string

func newIPMITool(path string, login rmcp.Config) *ipmitool {
	t := &ipmitool{path: path, login: login, addresses: slices.Clone(login.Addresses)}
	if login.Interface == rmcp.Lan {
		names := map[rmcp.AuthType]string{rmcp.MD5: "MD5", rmcp.Straight: "PASSWORD", rmcp.None: "NONE"}
		for _, auth := range login.AuthTypes {
			t.protocols = append(t.protocols, protocol{"-I", "lan", "-A", names[auth]})
		}
		return t
	}
	for _, suite := range login.Suites {
		t.protocols = append(t.protocols, protocol{"-I", "lanplus", "-C", strconv.Itoa(suite)})
	}
	return t
}

// checkCarried says what of a login ipmitool would cut short, or cannot be given.
func checkCarried(login rmcp.Config) error {
	for _, one := range []struct{ name, value, without string }{
		{"user", login.User, "\x00"},
		{"password", login.Password, "\x00\t"},
		{"K_g", string(login.Kg), "\x00"},
	} {
		if strings.ContainsAny(one.value, one.without) {
			return stonith.Errorf(stonith.BadConfig, "ipmitool: the %s has a byte at which ipmitool takes it to end: one of %q", one.name, one.without).
				WithHint("leave the parameter ipmitool out: the built-in client takes it")
		}
	}
	return nil
}

// open finds an address and a protocol with which ipmitool can log in. Each has its share
// of the time: a BMC may be silent to a cipher suite that it does not have.
func (t *ipmitool) open(ctx context.Context) (chassis, error) {
	var failed []error
	for i, address := range t.addresses {
		for j, by := range t.protocols {
			c := &toolChassis{t, address, by}
			err := c.probe(ctx, (len(t.addresses)-i)*len(t.protocols)-j)
			if err == nil {
				t.addresses, t.protocols = preferred(t.addresses, i), preferred(t.protocols, j)
				return c, nil
			}
			err = fmt.Errorf("%s: %w", c, err)
			if errors.Is(err, rmcp.ErrPrivilege) {
				return nil, err
			}
			failed = append(failed, err)
		}
	}
	return nil, stonith.Errorf(stonith.Unreachable, "%w", errors.Join(failed...)).WithHint(toolHint)
}

// preferred returns all with the i-th one first.
func preferred[T any](all []T, i int) []T {
	return slices.Concat(all[i:i+1], all[:i], all[i+1:])
}

// A toolChassis is a chassis by way of ipmitool, which logs in anew for each command.
// Commands are sent raw: "chassis power status" says off if the BMC answers without
// data (ipmitool 1.8.19), and has words where raw has the completion code.
type toolChassis struct {
	tool     *ipmitool
	address  string
	protocol protocol
}

// String tells the BMC and how it is talked to.
func (c *toolChassis) String() string {
	return fmt.Sprintf("%s %s with BMC %s, %s", c.tool.path, strings.Join(c.protocol, " "), c.address, c.tool.login.Privilege)
}

// probe logs in, as one of so many that share the time. What the BMC says of the
// command that follows is no matter, unless it is that we have no rights.
func (c *toolChassis) probe(ctx context.Context, shares int) error {
	if end, ok := ctx.Deadline(); ok {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, time.Until(end)/time.Duration(shares))
		defer cancel()
	}
	_, err := c.raw(ctx, getChassisStatus)
	if errors.Is(err, rmcp.ErrPrivilege) || errors.Is(err, rmcp.ErrNoAnswer) || errors.Is(err, errNoSession) {
		return err
	}
	return nil
}

// ChassisStatus reads the state of the chassis (IPMI specification v2.0, section
// 28.2). It tells the power alone.
func (c *toolChassis) ChassisStatus(ctx context.Context) (rmcp.Chassis, error) {
	answer, err := c.raw(ctx, getChassisStatus)
	if err != nil {
		return rmcp.Chassis{}, err
	}
	if len(answer) < 3 || len(answer) > 4 {
		return rmcp.Chassis{}, wrongLength(getChassisStatus, answer)
	}
	return rmcp.ChassisOf(answer[0]), nil
}

// ChassisControl tells the chassis something (section 28.3). What must not happen
// twice is sent by one run, which does not send it again if the answer is lost.
func (c *toolChassis) ChassisControl(ctx context.Context, control rmcp.Control) error {
	var options []string
	if control != rmcp.Down && control != rmcp.Up {
		options = []string{"-R", "1"}
	}
	answer, err := c.raw(ctx, rawCommand{"Chassis Control", []byte{0x00, 0x02, byte(control)}}, options...)
	if err == nil && len(answer) != 0 {
		err = wrongLength(rawCommand{name: "Chassis Control"}, answer)
	}
	if err != nil {
		return fmt.Errorf("%s: %w", control, err)
	}
	return nil
}

// KeepRestorePolicy sets the power restore policy to what it is (section 28.8).
func (c *toolChassis) KeepRestorePolicy(ctx context.Context) error {
	command := rawCommand{"Set Power Restore Policy", []byte{0x00, 0x06, 0x03}}
	answer, err := c.raw(ctx, command)
	if err == nil && len(answer) == 0 {
		err = wrongLength(command, answer)
	}
	return err
}

// DeviceGUID reads the GUID of the BMC (section 20.8).
func (c *toolChassis) DeviceGUID(ctx context.Context) (rmcp.GUID, error) {
	return c.guid(ctx, rawCommand{"Get Device GUID", []byte{0x06, 0x08}})
}

// SystemGUID reads the GUID of the node that the BMC is in (section 22.14).
func (c *toolChassis) SystemGUID(ctx context.Context) (rmcp.GUID, error) {
	return c.guid(ctx, rawCommand{"Get System GUID", []byte{0x06, 0x37}})
}

func (c *toolChassis) guid(ctx context.Context, command rawCommand) (rmcp.GUID, error) {
	answer, err := c.raw(ctx, command)
	if err != nil {
		return rmcp.GUID{}, err
	}
	if len(answer) != len(rmcp.GUID{}) {
		return rmcp.GUID{}, wrongLength(command, answer)
	}
	return rmcp.GUID(answer), nil
}

// ACPIPower reads the power state of the system by ACPI (section 20.6).
func (c *toolChassis) ACPIPower(ctx context.Context) (rmcp.ACPIPower, error) {
	command := rawCommand{"Get ACPI Power State", []byte{0x06, 0x07}}
	answer, err := c.raw(ctx, command)
	if err == nil && len(answer) < 1 {
		err = wrongLength(command, answer)
	}
	if err != nil {
		return rmcp.ACPIUnknown, err
	}
	return rmcp.ACPIPower(answer[0] & 0x7F), nil
}

// Starting reports whether the BMC initialises itself (section 20.1).
func (c *toolChassis) Starting(ctx context.Context) (bool, error) {
	command := rawCommand{"Get Device ID", []byte{0x06, 0x01}}
	answer, err := c.raw(ctx, command)
	if err == nil && len(answer) < 3 {
		err = wrongLength(command, answer)
	}
	return err == nil && answer[2]&0x80 != 0, err
}

// Close does nothing: ipmitool has logged out.
func (c *toolChassis) Close() error { return nil }

// A rawCommand is a command by its name in the specification, and as ipmitool's raw
// takes it: function, command, data.
type rawCommand struct {
	name  string
	bytes []byte
}

var getChassisStatus = rawCommand{"Get Chassis Status", []byte{0x00, 0x01}}

func wrongLength(command rawCommand, answer []byte) error {
	return stonith.Errorf(stonith.UnknownState, "%s: an answer with %d bytes of data is none", command.name, len(answer))
}

// raw sends a command and returns the data of the answer.
func (c *toolChassis) raw(ctx context.Context, command rawCommand, options ...string) ([]byte, error) {
	words := []string{"raw"}
	for _, b := range command.bytes {
		words = append(words, fmt.Sprintf("0x%02x", b))
	}
	said, err := c.run(ctx, slices.Concat(options, words))
	if err == nil {
		var data []byte
		if data, err = parseRaw(said.stdout); err != nil {
			err = stonith.Errorf(stonith.UnknownState, "it is not understood: it says %s", c.tool.quote(said.stdout+said.stderr))
		}
		return data, err
	}
	var exit *exec.ExitError
	if !errors.As(err, &exit) {
		return nil, fmt.Errorf("%s: %w", command.name, err)
	}
	return nil, c.tool.meaning(command, said.stderr, err)
}

// rawAnswer is what raw prints: a blank and two digits for each byte, 16 in a line.
var rawAnswer = regexp.MustCompile(`^(( [0-9a-f]{2})+\n)*( [0-9a-f]{2})*\n$`)

func parseRaw(stdout string) ([]byte, error) {
	if !rawAnswer.MatchString(stdout) {
		return nil, errors.New("no answer to raw")
	}
	return hex.DecodeString(strings.Join(strings.Fields(stdout), ""))
}

// errNoSession is what ipmitool says if it could not log in, for whichever reason.
var errNoSession = errors.New("no session")

var (
	// noRights are words for a privilege that the user does not have, at the login.
	noRights = regexp.MustCompile(`Set Session Privilege Level to [A-Z]+ failed|[Pp]rivilege level exceeds|exceeds limit`)
	// refusal has the completion code of a command that was refused.
	refusal = regexp.MustCompile(`\brsp=0x([0-9a-f]{1,2})\)`)
)

// insufficientPrivilege is the completion code of a command that the session may not send.
const insufficientPrivilege = 0xD4

// meaning returns what an ipmitool that failed says of the BMC.
func (t *ipmitool) meaning(command rawCommand, stderr string, failure error) error {
	if found := refusal.FindStringSubmatch(stderr); found != nil {
		code, _ := strconv.ParseUint(found[1], 16, 8) // the expression takes nothing else
		answer := &rmcp.CompletionError{Command: command.name, Code: byte(code)}
		if code == insufficientPrivilege {
			return fmt.Errorf("%w: %w", rmcp.ErrPrivilege, answer)
		}
		return answer
	}
	kind := fmt.Errorf("%s: %w", command.name, failure)
	switch {
	case noRights.MatchString(stderr):
		kind = rmcp.ErrPrivilege
	case strings.Contains(stderr, "Unable to establish"):
		kind = errNoSession
	}
	return fmt.Errorf("%w: it says %s", kind, t.quote(stderr))
}

// quote returns the beginning of what ipmitool said, but no secret.
func (t *ipmitool) quote(said string) string {
	for _, secret := range []string{t.login.Password, string(t.login.Kg)} {
		if secret != "" && strings.Contains(said, secret) {
			return "something that is not shown, since a secret is in it"
		}
	}
	said = strings.TrimSpace(said)
	return strconv.Quote(said[:min(len(said), maxQuoted)])
}

// An output is what a program said.
type output struct{ stdout, stderr string }

// run runs ipmitool. It does not outlive us.
func (c *toolChassis) run(ctx context.Context, words []string) (output, error) {
	args, err := c.arguments()
	if err != nil {
		return output{}, err
	}
	command := exec.CommandContext(ctx, c.tool.path, slices.Concat(args, words)...)
	command.Env = []string{"LC_ALL=C"}
	if len(c.tool.login.Kg) > 0 {
		command.Env = append(command.Env, "IPMI_KGKEY="+string(c.tool.login.Kg))
	}
	command.Dir = "/"
	command.WaitDelay = killDelay
	command.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if c.tool.login.Password != "" {
		password, err := filledPipe(c.tool.login.Password)
		if err != nil {
			return output{}, err
		}
		defer password.Close()                    //nolint:errcheck // nothing is written to it
		command.ExtraFiles = []*os.File{password} // the first one is 3
	}
	stdout, stderr := stonith.Head{Limit: maxSaid}, stonith.Head{Limit: maxSaid}
	command.Stdout, command.Stderr = &stdout, &stderr
	// To the kernel the parent is the thread that starts the program.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	err = command.Run()
	if ctx.Err() != nil {
		return output{}, fmt.Errorf("%w: %w", rmcp.ErrNoAnswer, ctx.Err())
	}
	return output{stdout.String(), stderr.String()}, err
}

// arguments returns the options that say where and as whom to log in. No secret is
// among them.
func (c *toolChassis) arguments() ([]string, error) {
	host, port, err := net.SplitHostPort(c.address)
	if err != nil {
		return nil, err
	}
	login := c.tool.login
	args := slices.Concat(c.protocol, []string{"-H", host, "-p", port, "-L", login.Privilege.String()})
	if login.User != "" {
		args = append(args, "-U", login.User)
	}
	if login.Password != "" {
		args = append(args, "-f", "/proc/self/fd/3")
	}
	if len(login.Kg) > 0 {
		args = append(args, "-K")
	}
	return args, nil
}

// filledPipe returns the end of a pipe from which text can be read.
func filledPipe(text string) (*os.File, error) {
	read, write, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	_, err = write.WriteString(text) // a pipe has room for far more than a password
	if err = errors.Join(err, write.Close()); err != nil {
		return nil, errors.Join(err, read.Close())
	}
	return read, nil
}
