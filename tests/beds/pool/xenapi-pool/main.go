// The program xenapi-pool runs a simulated XenAPI pool on the loopback, to try fence
// agents and other clients on. Commands on its standard input break it.
package main

import (
	"bufio"
	"crypto/rand"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/stonith-plugins/stonith-plugins/tests/beds/pool"
)

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "xenapi-pool:", err)
		os.Exit(1)
	}
}

type flags struct {
	options  pool.Options
	guests   string
	dir      string
	password string
}

func parse() flags {
	var f flags
	flag.IntVar(&f.options.Members, "members", 3, "`number` of members; the first one is the master")
	flag.IntVar(&f.options.Port, "port", 0, "`port` of all members; 0 is a free one")
	flag.StringVar(&f.options.Network, "network", "127.0.0", "first three numbers of the members' `addresses`; the last one is 11, 12, ...")
	flag.BoolVar(&f.options.Plain, "plain", false, "http instead of https")
	flag.StringVar(&f.options.User, "user", "root", "`name` of the user")
	flag.StringVar(&f.options.Role, "role", pool.RoleAdmin, "`role` of the user: read-only, vm-operator, pool-operator, pool-admin")
	flag.StringVar(&f.password, "password-file", "", "`file` with the password; without it, one is made")
	flag.StringVar(&f.guests, "guests", "", "`names` of the guests, with commas; node1, node2, ... without it")
	flag.StringVar(&f.dir, "dir", "", "`directory` for ca.pem and password; a new one without it")
	flag.DurationVar(&f.options.WrongPassword, "wrong-password", 2*time.Second, "`time` after which a wrong password is refused")
	flag.DurationVar(&f.options.ShutdownTime, "shutdown", time.Second, "`time` that hard_shutdown takes")
	flag.DurationVar(&f.options.StartTime, "start", time.Second, "`time` that start takes")
	flag.DurationVar(&f.options.ContactTime, "contact", 110*time.Second, "`time` until CANNOT_CONTACT_HOST")
	flag.DurationVar(&f.options.BusyTime, "busy", 2*time.Hour, "`time` until OTHER_OPERATION_IN_PROGRESS")
	flag.Usage = usage
	flag.Parse()
	return f
}

func usage() {
	out := flag.CommandLine.Output()
	fmt.Fprintln(out, "usage: xenapi-pool [flags]\n\nflags:")
	flag.PrintDefaults()
	fmt.Fprintf(out, "\ncommands on standard input:\n%s", commandHelp())
}

func run() error {
	f := parse()
	if flag.NArg() > 0 {
		return fmt.Errorf("%q: takes flags only", flag.Arg(0))
	}
	if err := f.prepare(); err != nil {
		return err
	}
	p, err := pool.New(f.options)
	if err != nil {
		return err
	}
	defer p.Close()
	if err := os.WriteFile(filepath.Join(f.dir, "ca.pem"), p.CA(), 0o644); err != nil {
		return err
	}
	describe(os.Stdout, p, f.dir)

	stop := make(chan os.Signal, 1)
	signal.Notify(stop, syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP)
	quit := make(chan struct{})
	go obey(os.Stdin, p, quit)
	select {
	case <-stop:
	case <-quit:
	}
	return nil
}

// prepare makes the directory and the password.
func (f *flags) prepare() (err error) {
	for i, name := range strings.FieldsFunc(f.guests, func(r rune) bool { return r == ',' || r == ' ' }) {
		f.options.Guests = append(f.options.Guests, pool.Guest{Name: name, Member: i % f.options.Members})
	}
	if f.options.Members < 1 || f.options.Members > 64 {
		return fmt.Errorf("-members %d: from 1 to 64", f.options.Members)
	}
	if f.dir == "" {
		f.dir, err = os.MkdirTemp("", "xenapi-pool-")
	} else {
		err = os.MkdirAll(f.dir, 0o700)
	}
	if err != nil {
		return err
	}
	f.options.Password, err = password(f.password)
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(f.dir, "password"), []byte(f.options.Password+"\n"), 0o600)
}

func password(file string) (string, error) {
	if file == "" {
		return rand.Text(), nil
	}
	text, err := os.ReadFile(file)
	if err != nil {
		return "", err
	}
	line, _, _ := strings.Cut(string(text), "\n")
	if line == "" {
		return "", errors.New(file + ": has no password in its first line")
	}
	return line, nil
}

// describe prints what a client has to know.
func describe(out io.Writer, p *pool.Pool, dir string) {
	fmt.Fprintf(out, "pool     %s\nuser     %s\npassword %s\nca       %s\n", p.UUID(), p.User(),
		filepath.Join(dir, "password"), filepath.Join(dir, "ca.pem"))
	for _, m := range p.Members() {
		fmt.Fprintf(out, "member   %s %s %s\n", m.Name(), m.URL(), m.Pin())
	}
	for _, v := range p.VMs() {
		fmt.Fprintf(out, "guest    %s %s %s\n", v.Name(), v.UUID(), v.Says())
	}
}

// obey carries out the commands. The end of the input changes nothing.
func obey(in io.Reader, p *pool.Pool, quit chan<- struct{}) {
	lines := bufio.NewScanner(in)
	for lines.Scan() {
		words := strings.Fields(lines.Text())
		if len(words) == 0 {
			continue
		}
		if words[0] == "quit" {
			close(quit)
			return
		}
		if err := command(os.Stdout, p, words); err != nil {
			fmt.Println("error:", err)
		}
	}
}
