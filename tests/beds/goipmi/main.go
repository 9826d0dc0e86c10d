// Command goipmi is a BMC made of go-ipmi's server. It is a module of its own: what
// go-ipmi needs is nothing that the plugins are to depend on.
package main

import (
	"bufio"
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"
	"strings"

	"github.com/bougou/go-ipmi/pkg/bmc"
	"github.com/bougou/go-ipmi/pkg/clock"
	"github.com/bougou/go-ipmi/pkg/hal"
	"github.com/bougou/go-ipmi/pkg/hal/mock"
	"github.com/bougou/go-ipmi/pkg/server"
	"github.com/bougou/go-ipmi/pkg/transport/udp"
	"github.com/bougou/go-ipmi/pkg/types"
)

// hardware is go-ipmi's, with our chassis.
type hardware struct {
	*mock.HAL
	chassis *chassis
}

// Chassis is ours.
func (h hardware) Chassis() hal.ChassisHAL { return h.chassis }

// A chassis is what the script, called with the directory, makes of the node.
type chassis struct {
	mock.Chassis
	script, directory string
}

func (c *chassis) run(words ...string) (string, error) {
	out, err := exec.Command("/bin/sh", append([]string{c.script, c.directory}, words...)...).Output()
	return strings.TrimSpace(string(out)), err
}

// PowerState asks the script.
func (c *chassis) PowerState(context.Context) (bool, error) {
	answer, err := c.run("get", "power")
	return answer == "power:1", err
}

// SetPower turns the node on or off.
func (c *chassis) SetPower(_ context.Context, on bool) error {
	value := "0"
	if on {
		value = "1"
	}
	_, err := c.run("set", "power", value)
	return err
}

// PowerCycle turns the node off and on.
func (c *chassis) PowerCycle(ctx context.Context) error {
	if err := c.SetPower(ctx, false); err != nil {
		return err
	}
	return c.SetPower(ctx, true)
}

// ColdReset is a hard reset.
func (c *chassis) ColdReset(context.Context) error {
	_, err := c.run("set", "reset", "1")
	return err
}

// WarmReset is the button that an operating system may ignore.
func (c *chassis) WarmReset(context.Context) error {
	_, err := c.run("set", "shutdown", "1")
	return err
}

func main() {
	listen := flag.String("listen", "", "host:port")
	script := flag.String("chassis", "", "what acts on the node")
	directory := flag.String("dir", "", "the node's directory")
	flag.Parse()
	err := serve(*listen, &chassis{script: *script, directory: *directory}, os.Getenv("KG"), os.Stdin)
	fmt.Fprintln(os.Stderr, "goipmi:", err)
	os.Exit(1)
}

// serve ends with an error. Each line of users is NAME:LEVEL:PASSWORD.
func serve(listen string, c *chassis, key string, users io.Reader) error {
	options := []bmc.Option{bmc.WithClock(clock.Real), bmc.WithCipherSuites([]types.CipherSuiteID{3, 15, 16, 17})}
	if key != "" {
		options = append(options, bmc.WithKG([]byte(key)))
	}
	b := bmc.New(bmc.DeviceInfo{DeviceID: 32, IPMIVersion: 0x20}, [16]byte{1}, hardware{mock.New(), c}, options...)
	id := uint8(2)
	for lines := bufio.NewScanner(users); lines.Scan(); id++ {
		if err := add(b, id, lines.Text()); err != nil {
			return fmt.Errorf("user %d: %w", id, err)
		}
	}
	conn, err := udp.Listen(listen)
	if err != nil {
		return err
	}
	return server.NewServer(b, conn).Serve(context.Background())
}

func add(b *bmc.BMC, id uint8, user string) error {
	words := strings.SplitN(user, ":", 3)
	if len(words) != 3 {
		return fmt.Errorf("want NAME:LEVEL:PASSWORD")
	}
	level, err := strconv.Atoi(words[1])
	if err != nil {
		return err
	}
	u, err := b.Users.Add(id, words[0])
	if err != nil {
		return err
	}
	u.SetPassword([]byte(words[2]))
	u.Enabled = true
	u.ChannelAccess[1] = bmc.UserChannelAccess{MaxPrivilege: bmc.PrivilegeLevel(level), Enabled: true}
	return nil
}
