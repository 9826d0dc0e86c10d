package plan

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// A checker makes a plan of a description, and collects its mistakes.
type checker struct {
	description description
	options     Options
	// where says where the description has a key, such as device.0.hostlist.
	where    func(key string) string
	mistakes []error
	plan     Plan
}

// check returns the plan that is described, or all mistakes of the description.
func check(d description, options Options, where func(key string) string) (*Plan, error) {
	c := &checker{description: d, options: options, where: where}
	c.plan.Pacemaker = c.version()
	for i, device := range d.Devices {
		c.plan.Devices = append(c.plan.Devices, c.device(i, device))
	}
	if len(d.Devices) == 0 {
		c.mistake("device", "no device is described")
	}
	c.nodes()
	c.levels()
	for _, clash := range Clashes(c.plan.Devices) {
		c.mistake(fmt.Sprintf("device.%d.hostlist", clash.Device), "%s", clash)
	}
	c.ids()
	c.delays()
	if len(c.mistakes) > 0 {
		return nil, errors.Join(c.mistakes...)
	}
	return &c.plan, nil
}

func (c *checker) mistake(key, format string, args ...any) {
	c.mistakes = append(c.mistakes, fmt.Errorf("%s: %s", c.where(key), fmt.Sprintf(format, args...)))
}

var versionForm = regexp.MustCompile(`^([23])\.([0-9]{1,3})(?:\.([0-9]{1,3}))?$`)

// version reads the version of Pacemaker. Without one it is 2.1, whose names every
// later one understands.
func (c *checker) version() Version {
	text := c.description.Pacemaker
	if text == "" {
		text = "2.1"
	}
	parts := versionForm.FindStringSubmatch(text)
	if parts == nil {
		c.mistake("pacemaker", "%q is no version of Pacemaker, want for example 2.1 or 3.0.2", text)
		return Version{}
	}
	number := func(digits string) int { n, _ := strconv.Atoi(digits); return n } // the form has digits only
	v := Version{Major: number(parts[1]), Minor: number(parts[2]), Patch: -1}
	if parts[3] != "" {
		v.Patch = number(parts[3])
	}
	return v
}

// nodes checks the names of the nodes, and that devices have no others. The spelling
// of the nodes is that of the lists, where there are some.
func (c *checker) nodes() {
	c.list("nodes", c.description.Nodes, &c.plan.Nodes)
	c.list("remote", c.description.Remote, &c.plan.Remote)
	listed := len(c.plan.Nodes) > 0
	for i, device := range c.plan.Devices {
		for j, entry := range device.Hostlist {
			name, known := c.node(entry.Node)
			switch {
			case known:
				device.Hostlist[j].Node = name
			case listed:
				c.mistake(fmt.Sprintf("device.%d.hostlist", i), "node %q is none of nodes, which has %s",
					entry.Node, strings.Join(c.plan.all(), ", "))
			default:
				c.plan.Nodes = append(c.plan.Nodes, entry.Node)
			}
		}
	}
}

// list reads a list of nodes.
func (c *checker) list(key string, names []string, to *[]string) {
	for i, name := range names {
		at := fmt.Sprintf("%s.%d", key, i)
		if err := checkNode(name); err != nil {
			c.mistake(at, "%v", err)
		}
		if _, twice := c.node(name); twice {
			c.mistake(at, "node %q is listed twice", name)
			continue
		}
		*to = append(*to, name)
	}
}

// node returns the node of that name in its own spelling.
func (c *checker) node(name string) (string, bool) { return spelled(c.plan.all(), name) }

// spelled returns the node of that name in its own spelling. Case does not count for the
// cluster.
func spelled(nodes []string, name string) (string, bool) {
	i := slices.IndexFunc(nodes, func(n string) bool { return strings.EqualFold(n, name) })
	if i < 0 {
		return "", false
	}
	return nodes[i], true
}

// all returns the nodes of the cluster with the remote ones.
func (p *Plan) all() []string { return slices.Concat(p.Nodes, p.Remote) }

// nodeForm is what the plugins take for a node's name.
var nodeForm = regexp.MustCompile(`^[A-Za-z0-9_][A-Za-z0-9_.-]*$`)

func checkNode(name string) error {
	if !nodeForm.MatchString(name) {
		return fmt.Errorf("%q is not a node name, want letters, digits, '.', '_' and '-'", name)
	}
	if lower := strings.ToLower(name); lower == "on" || lower == "off" ||
		strings.Contains(lower, "invalid") || strings.Contains(lower, "variable") {
		return fmt.Errorf("node name %q is one that Pacemaker drops from a device's list", name)
	}
	return nil
}

var idForm = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_.-]*$`)

// ids checks that the resources' ids can be in XML, and each is of one resource.
func (c *checker) ids() {
	owners := map[string]string{}
	for i, device := range c.plan.Devices {
		key := fmt.Sprintf("device.%d.id", i)
		if !idForm.MatchString(device.ID) {
			c.mistake(key, "%q is no id, want a letter, and letters, digits, '.', '_' and '-'", device.ID)
			continue
		}
		for _, id := range device.resourceIDs() {
			if owner, taken := owners[id]; taken {
				c.mistake(key, "resource id %q is that of device %q already", id, owner)
				break
			}
			owners[id] = device.ID
		}
	}
}

// delays checks what is said of two nodes that fence each other.
func (c *checker) delays() {
	d := c.description
	if d.PriorityDelay != "" {
		c.plan.PriorityDelay = c.seconds("priority-delay", d.PriorityDelay, time.Second)
		if d.Delay != "" || d.First != "" {
			c.mistake("priority-delay", "first with delay, or priority-delay: both would add up")
		}
		if c.plan.Pacemaker.before(2, 0, 4) {
			c.mistake("priority-delay", "Pacemaker %s has no priority-fencing-delay", c.plan.Pacemaker)
		}
	}
	switch {
	case d.First == "" && d.Delay == "":
		return
	case d.First == "":
		c.mistake("delay", "first must say which node is to win")
		return
	case d.Delay == "":
		c.mistake("first", "delay must say how long the attacker of %s waits, such as 5s", d.First)
		return
	}
	c.plan.Delay = c.seconds("delay", d.Delay, time.Second)
	first, known := spelled(c.plan.Nodes, d.First)
	if !known {
		c.mistake("first", "node %q is none of %s", d.First, strings.Join(c.plan.Nodes, ", "))
		return
	}
	c.plan.First = first
	if n := len(c.plan.Nodes); n != 2 {
		c.mistake("first", "first and delay are for two nodes, and here are %d: the part with quorum fences the other", n)
	}
	c.delayedDevice()
}

// delayedDevice checks what the device is that waits.
func (c *checker) delayedDevice() {
	i := c.plan.delayed()
	if i < 0 {
		c.mistake("first", "no device fences %s, so that none can wait", c.plan.First)
		return
	}
	device := c.plan.Devices[i]
	if device.Shared && c.plan.Pacemaker.before(2, 1, 2) {
		c.mistake("delay", "Pacemaker %s knows no delay for one node of a shared device", c.plan.Pacemaker)
	}
	// Before 2.1.6 Pacemaker has only a fifth of its limit besides for a delay.
	if most := (device.Timeout/5 + device.margin()).Truncate(time.Second); c.plan.Delay > most {
		c.mistake("delay", "%s is too long beside a timeout of %s: at most %s", spell(c.plan.Delay), spell(device.Timeout), spell(most))
	}
}

// maxTime is more than any device needs, and little enough to be added to.
const maxTime = time.Hour

// seconds reads a time of whole seconds.
func (c *checker) seconds(key, text string, least time.Duration) time.Duration {
	d, err := parseDuration(text)
	switch {
	case err != nil:
		c.mistake(key, "%v", err)
	case d%time.Second != 0:
		c.mistake(key, "%q is no whole number of seconds", text)
	case d < least:
		c.mistake(key, "%q is too short, want at least %s", text, spell(least))
	case d > maxTime:
		c.mistake(key, "%q is too long, want at most %s", text, spell(maxTime))
	}
	return d
}

// parseDuration reads a time as the plugins do: 40, 40s or 2min.
func parseDuration(text string) (time.Duration, error) {
	goText := strings.TrimSuffix(text, "in")
	if text != "" && strings.Trim(text, "0123456789") == "" {
		goText = text + "s"
	}
	d, err := time.ParseDuration(goText)
	if err != nil || d <= 0 {
		return 0, fmt.Errorf("%q is not a time, want for example 40, 40s or 2min", text)
	}
	return d, nil
}

// spell returns a time of whole seconds in the cluster's words, such as 40s.
func spell(d time.Duration) string { return fmt.Sprintf("%ds", d/time.Second) }

// before reports whether the version is older than another one.
func (v Version) before(major, minor, patch int) bool {
	its := v.Patch
	if its < 0 {
		its = 999 // the newest
	}
	return slices.Compare([]int{v.Major, v.Minor, its}, []int{major, minor, patch}) < 0
}
