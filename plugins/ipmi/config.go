package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/stonith-plugins/stonith-plugins/plugins/internal/stonith"
	"github.com/stonith-plugins/stonith-plugins/plugins/ipmi/rmcp"
)

// config holds the parameters of external/ipmi2.
type config struct {
	ipaddr       addresses
	ipport       port
	userid       stonith.Text
	passwd       stonith.Secret
	passwdFile   stonith.Text
	passwdScript stonith.Text
	passwdMethod stonith.Choice
	nodesFile    stonith.Text
	kind         stonith.Choice
	auth         stonith.Choice
	cipher       suites
	kg           stonith.Secret
	kgFile       stonith.Text
	priv         privilege
	guids        stonith.PerNode
	method       stonith.Choice
	cycleTime    stonith.Duration
	diag         stonith.Duration
	ipmitool     stonith.Text
}

// leastCycleTime is what a power cycle is without power at least (IPMI specification v2.0,
// section 28.3).
const leastCycleTime = time.Second

func newConfig() *config {
	return &config{
		ipport:       rmcp.Port,
		passwdMethod: stonith.Choice{Chosen: "param", Words: []string{"param", "env", "file"}},
		kind:         stonith.Choice{Chosen: "lanplus", Words: []string{"lanplus", "lan"}},
		auth:         stonith.Choice{Chosen: "md5", Words: []string{"md5", "password", "none"}},
		cipher:       suites{17, 3},
		priv:         privilege(rmcp.Operator),
		guids:        stonith.PerNode{Form: "GUID", Parse: parseGUID},
		method:       stonith.Choice{Chosen: "onoff", Words: []string{"onoff", "cycle", "hard"}},
		// 5 s is OpenBMC's default (PowerCycleMs of x86-power-control), the specification's least is 1 s.
		cycleTime: stonith.Duration(6 * time.Second),
	}
}

// Params lists the parameters.
func (c *config) Params() []stonith.Param {
	return slices.Concat(c.bmcParams(), c.loginParams(), c.protocolParams(), c.fenceParams())
}

func (c *config) bmcParams() []stonith.Param {
	return []stonith.Param{{
		Name: "ipaddr", Aliases: []string{"ip"}, Agent: "ip", Value: &c.ipaddr,
		Short: "Addresses of the BMC, for a device with one node",
		Long: "The name or address of the BMC, as address or address:port; an IPv6 address with a port stands in brackets. Several, " +
			"separated by blanks, commas or semicolons, are addresses of the same BMC, and one that answers is enough. Where the " +
			"device has several nodes, hostlist or nodes_file has their BMCs.",
	}, {
		Name: "ipport", Value: &c.ipport,
		Short: "UDP port of the BMCs",
		Long:  "The port of every BMC whose address has none.",
	}, {
		Name: "nodes_file", Value: &c.nodesFile,
		Short: "File with what is different from node to node",
		Long: "A file with lines of four words: node, address of its BMC (several with commas between them), user, and password " +
			"file; - stands for what the parameters say, and # begins a comment. Only its owner may be able to write it. " +
			"Nodes that are not in hostlist do no harm.",
	}, {
		Name: "bmc_guid", Value: &c.guids,
		Short: "GUIDs that the BMCs must have",
		Long: "Entries node=GUID, separated by blanks, commas or semicolons. A BMC that is found at the address of such a node, and " +
			"has neither as its own GUID nor as that of its system this one, is not touched.",
	}}
}

func (c *config) loginParams() []stonith.Param {
	return []stonith.Param{{
		Name: "userid", Aliases: []string{"username", "login"}, Agent: "username", Value: &c.userid,
		Short: "User of the BMCs",
		Long:  "The user who logs in, of at most 16 bytes. Without one the BMC's anonymous user is meant.",
	}, {
		Name: "passwd_file", Value: &c.passwdFile,
		Short: "File with the password",
		Long:  "A file whose only line is the password, and which only its owner can read.",
	}, {
		Name: "passwd_script", Aliases: []string{"password_script"}, Agent: "password_script", Value: &c.passwdScript,
		Short: "Program that prints the password",
		Long:  "The absolute path of a program, without arguments and without a shell. It has 5s, and its output is the password.",
	}, {
		Name: "passwd", Aliases: []string{"password"}, Agent: "password", Value: &c.passwd,
		Short: "The password itself, or a file with it",
		Long: "The password, of at most 20 bytes (16 with interface=lan), or with passwd_method=file the file that has it. A password " +
			"here can be read in the cluster's configuration: passwd_file is better.",
	}, {
		Name: "passwd_method", Value: &c.passwdMethod,
		Short: "What passwd is",
		Long: "With file, passwd is the name of a file with the password. With param and env it is the password; both are one here, " +
			"since the password never becomes an argument of a program.",
	}, {
		Name: "kg_file", Value: &c.kgFile,
		Short: "File with K_g, the key of the BMCs",
		Long: "A file whose only line is K_g, and which only its owner can read: as text of at most 20 bytes, or as hexadecimal digits " +
			"behind 0x. Most BMCs have no K_g. For interface=lanplus only.",
	}, {
		Name: "kg", Value: &c.kg,
		Short: "K_g itself",
		Long:  "What kg_file would have. It can be read in the cluster's configuration: kg_file is better.",
	}, {
		Name: "priv", Aliases: []string{"privlvl"}, Agent: "privlvl", Value: &c.priv,
		Short: "Privilege that is asked for",
		Long:  "OPERATOR, which is enough to fence, or ADMINISTRATOR.",
	}}
}

func (c *config) protocolParams() []stonith.Param {
	return []stonith.Param{{
		Name: "interface", Value: &c.kind,
		Short: "Version of the protocol",
		Long:  "lanplus is IPMI 2.0, lan is IPMI 1.5, which proves less and hides nothing.",
	}, {
		Name: "cipher", Value: &c.cipher,
		Short: "Cipher suites of lanplus",
		Long: "The numbers of the suites that may be used, of 17, 3, 16, 2, 15, 1 and 0, separated by blanks; the first one that the BMC " +
			"takes is used. Only 17 and 3 hide what is sent. 15, 1 and 0 have no integrity: anyone can say that a node is off which is not. " +
			"Such a suite stands alone or not at all, and each call warns of it.",
	}, {
		Name: "auth", Value: &c.auth,
		Short: "Authentication of lan",
		Long: "md5 proves each packet. password sends the password for all to read, and proves no packet; none proves nothing. With both " +
			"anyone can say that a node is off which is not, and each call warns of it.",
	}, {
		Name: "ipmitool", Value: &c.ipmitool,
		Short: "Program ipmitool, to be used instead of the built-in client",
		Long: "The absolute path of ipmitool, for BMCs that only that program understands. It is slower, and does not say whether the " +
			"password is wrong or the BMC dead. It gets the password by a pipe, and K_g in its environment. It takes answers without their " +
			"code, whatever the cipher suite: anyone on the network can say that a node is off which is not, and each call warns of it.",
	}}
}

func (c *config) fenceParams() []stonith.Param {
	return []stonith.Param{{
		Name: "method", Value: &c.method,
		Short: "How reset is done to a node that is on",
		Long: "onoff switches the node off, sees that it is off, and switches it on. cycle asks for a power cycle, and is a success only if " +
			"the node was seen off in between. hard asks for a hard reset: a success then says that the BMC has accepted it, and nothing " +
			"has seen the node off, so that it may still run and write: it is a warm start. A BMC that refuses cycle or hard gets onoff.",
	}, {
		Name: "cycle_time", Value: &c.cycleTime,
		Short: "Time that a power cycle is without power",
		Long: "A node that is off at first sight may be in the off half of a power cycle that somebody else began. It counts as off " +
			"when it has been seen off for this time, and never on. No cycle takes less than 1s, and each call warns of less.",
	}, {
		Name: "diag", Value: &c.diag,
		Short: "Time for a dump before off",
		Long: "With it, a node that is on gets a diagnostic interrupt (NMI) before it is switched off, and this time to write a dump, but " +
			"at most a quarter of timeout. Its kernel must be set up for that.",
	}}
}

// Open reads the files. It reports all that is wrong at once.
func (c *config) Open(call stonith.Call) (stonith.Device, error) {
	exceptions, fileErr := c.exceptions()
	pins, pinsErr := c.guids.ByName("bmc_guid", call.Nodes)
	kg, kgErr := c.readKg()
	password, passwordErr := c.password()
	toolErr := c.checkTool()
	mistakes := []error{fileErr, pinsErr, kgErr, passwordErr, toolErr}
	d := &device{bmcs: map[string]*bmc{}, way: c.way(), diag: time.Duration(c.diag), warn: call.Warn}
	if call.ProvesOff {
		d.cycleTime = time.Duration(c.cycleTime)
	}
	script := newPasswordScript(string(c.passwdScript))
	owners := map[string]string{}
	for _, n := range call.Nodes {
		its := exceptions[strings.ToLower(n.Name)]
		login, err := c.loginOf(n, len(call.Nodes), its)
		if its.passwdFile == "" {
			login.Password = password
		}
		login.Kg = kg
		mistakes = append(mistakes, err, claim(owners, n.Name, login.Addresses))
		if pin := pins[n.Name]; pin != "" {
			mistakes = append(mistakes, guid(pin).mistake(n.Name), claim(owners, n.Name, []string{"with the GUID " + pin}))
		}
		if err == nil && passwordErr == nil && kgErr == nil {
			mistakes = append(mistakes, its.name(n, c.check(login)))
		}
		d.bmcs[n.Name] = newBMC(c.access(login, script), guid(pins[n.Name]), call.ProvesOff)
	}
	if err := errors.Join(onceEach(mistakes)...); err != nil {
		return nil, err
	}
	c.warnOfRisks(call.Warn)
	return d, nil
}

// onceEach leaves out what has been said: a mistake in a parameter is one for all nodes.
func onceEach(mistakes []error) []error {
	said := map[string]bool{}
	return slices.DeleteFunc(mistakes, func(err error) bool {
		if err == nil || said[err.Error()] {
			return true
		}
		said[err.Error()] = true
		return false
	})
}

func (c *config) exceptions() (map[string]exception, error) {
	if c.nodesFile == "" {
		return nil, nil
	}
	return readNodesFile(string(c.nodesFile))
}

// readKg returns K_g, nil if there is none.
func (c *config) readKg() ([]byte, error) {
	text := c.kg.Reveal()
	switch {
	case c.kgFile != "" && text != "":
		return nil, stonith.Errorf(stonith.BadConfig, "kg and kg_file are both set, want one")
	case c.kgFile != "":
		text, err := stonith.ReadSecret("kg_file", string(c.kgFile))
		if err != nil {
			return nil, err
		}
		return parseKg("kg_file: "+string(c.kgFile), text)
	default:
		return parseKg("kg", text)
	}
}

// password returns the password for all nodes, "" if there is none, or none yet.
func (c *config) password() (string, error) {
	value := c.passwd.Reveal()
	var given []string
	for _, one := range []struct{ name, text string }{
		{"passwd", value}, {"passwd_file", string(c.passwdFile)}, {"passwd_script", string(c.passwdScript)},
	} {
		if one.text != "" {
			given = append(given, one.name)
		}
	}
	switch {
	case len(given) > 1:
		return "", stonith.Errorf(stonith.BadConfig, "%s are set, want one of them", strings.Join(given, " and "))
	case c.passwdScript != "":
		return "", stonith.CheckProgram("passwd_script", string(c.passwdScript))
	case c.passwdFile != "":
		return stonith.ReadSecret("passwd_file", string(c.passwdFile))
	case c.passwdMethod.Chosen == "file" && value != "":
		return stonith.ReadSecret("passwd", value)
	case value != "":
		return value, stonith.CheckSecret("passwd", value)
	}
	return "", nil
}

// loginOf returns where and as whom we log in for one node of so many.
func (c *config) loginOf(n stonith.Node, nodes int, its exception) (rmcp.Config, error) {
	login := rmcp.Config{
		User:      string(c.userid),
		Interface: map[string]rmcp.Interface{"lanplus": rmcp.Lanplus, "lan": rmcp.Lan}[c.kind.Chosen],
		Suites:    c.cipher,
		AuthTypes: []rmcp.AuthType{map[string]rmcp.AuthType{"md5": rmcp.MD5, "password": rmcp.Straight, "none": rmcp.None}[c.auth.Chosen]},
		Privilege: rmcp.Privilege(c.priv),
	}
	if its.user != "" {
		login.User = its.user
	}
	var secretErr error
	if its.passwdFile != "" {
		login.Password, secretErr = stonith.ReadSecret("nodes_file: node "+n.Name, its.passwdFile)
	}
	where, err := c.addressesOf(n, nodes, its)
	if err == nil {
		login.Addresses, err = where.hostPorts(c.ipport.String())
	}
	return login, errors.Join(err, secretErr)
}

// addressesOf returns the addresses of a node's BMC. There must be one place that has them.
func (c *config) addressesOf(n stonith.Node, nodes int, its exception) (addresses, error) {
	var found []string
	var where addresses
	for _, place := range []struct {
		name string
		has  addresses
	}{
		{"hostlist", stonith.SplitList(n.Plug)}, {"nodes_file", its.addresses}, {"ipaddr", c.ipaddr},
	} {
		if len(place.has) > 0 {
			found, where = append(found, place.name), place.has
		}
	}
	switch {
	case len(found) == 0:
		return nil, stonith.Errorf(stonith.BadConfig, "node %s: no address of its BMC", n.Name).
			WithHint("write node:address in hostlist, a line for it in nodes_file, or ipaddr if it is the only node")
	case len(found) > 1:
		return nil, stonith.Errorf(stonith.BadConfig, "node %s: the address of its BMC is in %s, want one of them", n.Name, strings.Join(found, " and in "))
	case nodes > 1 && found[0] == "ipaddr":
		return nil, stonith.Errorf(stonith.BadConfig, "node %s: ipaddr is the BMC of one node, and there are %d", n.Name, nodes).
			WithHint("write node:address in hostlist")
	}
	return where, nil
}

// claim makes what a BMC is known by that of the node. Two nodes have no BMC in common.
func claim(owners map[string]string, node string, marks []string) error {
	for _, a := range marks {
		if other := owners[a]; other != "" && other != node {
			return stonith.Errorf(stonith.BadConfig, "nodes %s and %s have the same BMC %s", other, node, a)
		}
		owners[a] = node
	}
	return nil
}

// check says what is wrong with a login before any BMC is asked. What passwd_script will
// print is not known yet.
func (c *config) check(login rmcp.Config) error {
	if login.Password == "" && c.passwdScript == "" && (c.kind.Chosen != "lan" || c.auth.Chosen != "none") {
		return stonith.Errorf(stonith.BadConfig, "none of passwd_file, passwd_script, passwd and nodes_file has a password").
			WithHint("set passwd_file to a file with the password, which only root can read")
	}
	if err := login.Check(); errors.Is(err, rmcp.ErrTooLong) {
		return stonith.Errorf(stonith.BadConfig, "%w", err).
			WithHint("no BMC has a longer one: is it the right file? userid has at most %d bytes, a password %d (%d over lan), K_g %d",
				rmcp.MaxUser, rmcp.MaxLanplusPassword, rmcp.MaxLanPassword, rmcp.MaxKg)
	} else if err != nil {
		return stonith.Errorf(stonith.BadConfig, "%w", err)
	}
	if c.ipmitool != "" {
		return checkCarried(login)
	}
	return nil
}

func (c *config) checkTool() error {
	if c.ipmitool == "" {
		return nil
	}
	return stonith.CheckProgram("ipmitool", string(c.ipmitool))
}

func (c *config) way() stonith.Way {
	return map[string]stonith.Way{"onoff": stonith.OffAndOn, "cycle": stonith.ByCycle, "hard": stonith.HardReset}[c.method.Chosen]
}

// access returns the built-in client, or ipmitool. Where the login has no password, the
// script has it.
func (c *config) access(login rmcp.Config, script *passwordScript) access {
	if c.ipmitool != "" {
		tool := newIPMITool(string(c.ipmitool), login)
		return access{login: func(ctx context.Context) (chassis, error) {
			if err := c.complete(ctx, &tool.login, script); err != nil {
				return nil, err
			}
			return tool.open(ctx)
		}}
	}
	var opener *rmcp.Opener
	return access{
		login: func(ctx context.Context) (chassis, error) {
			if err := c.complete(ctx, &login, script); err != nil {
				return nil, err
			}
			if opener == nil {
				opener = rmcp.NewOpener(login)
			}
			session, err := opener.Open(ctx)
			if err != nil {
				return nil, fmt.Errorf("login of user %q: %w", login.User, err)
			}
			return session, nil
		},
		lostAfter: lostAfter,
	}
}

// complete adds the password that the script prints, unless it is known or there is no script.
func (c *config) complete(ctx context.Context, login *rmcp.Config, script *passwordScript) error {
	if login.Password != "" || script.path == "" {
		return nil
	}
	password, err := script.password(ctx)
	if err != nil {
		return err
	}
	complete := *login
	complete.Password = password
	if err := c.check(complete); err != nil {
		return err
	}
	*login = complete
	return nil
}

// warnOfRisks warns of what the parameters give up.
func (c *config) warnOfRisks(warn func(string)) {
	anyone := "anyone on the network can say that a node is off which is not"
	lan := c.kind.Chosen == "lan"
	switch {
	case lan && c.auth.Chosen == "none":
		warn("auth=none is set: " + anyone)
	case lan && c.auth.Chosen == "password":
		warn("auth=password is set: the password is sent for all to read, and " + anyone)
	case !lan && slices.ContainsFunc(c.cipher, rmcp.Unsigned):
		warn(fmt.Sprintf("cipher is %s, a suite without integrity: %s", &c.cipher, anyone))
	}
	if time.Duration(c.cycleTime) < leastCycleTime {
		warn(fmt.Sprintf("cycle_time is %s, and no power cycle is that short: a node in the middle of one counts as off", &c.cycleTime))
	}
	if c.ipmitool != "" {
		warn("ipmitool is set, which takes answers without their code: " + anyone)
	}
	if c.way() == stonith.HardReset {
		warn("method=hard is set: reset does not see that the node is off")
	}
}
