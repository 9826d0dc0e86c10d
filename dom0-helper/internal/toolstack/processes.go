package toolstack

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
)

// Processes are those that bring guests back, or write what brings them back, as
// one look found them. Look for them before you look for domains: what they have made
// in between, the latter shows.
type Processes interface {
	// Of returns the processes that concern a guest, when these are the domains.
	Of(id Identity, domains []Domain) Found
}

// seen are the Processes of a host with xl.
type seen struct {
	list []process
	proc string
}

// An Identity is what tells a guest from all others.
type Identity struct {
	Name string
	// UUID is the guest's by the policy, or empty. Then the name alone is the guest's.
	UUID string
	// ConfigUUID is that of the guest's own configuration, or empty. People copy
	// configurations, so another name with that UUID may be the guest or not.
	ConfigUUID string
	// Config is the path of the guest's configuration.
	Config string
}

// Found are the processes that concern one guest.
type Found struct {
	// Revivers bring the guest back, or write its image. They are in the order in which
	// they are to be ended: one that loses its helper or its stream resumes the guest.
	Revivers []Reviver
	// Unknown may do so, and may serve another guest. They are not to be ended.
	Unknown []Unknown
}

// An Unknown is a process of which nobody can tell which guest it brings.
type Unknown struct {
	// Text names process, source, cause and remedy, for people.
	Text string
}

// A verdict says whose something is.
type verdict int

const (
	nobodys verdict = iota // another guest's, or none's
	maybe
	guests
)

// judge says whether what has that name and UUID is the guest. Either may be empty for not known.
func (id Identity) judge(name, uuid string) verdict {
	named := Domain{Name: name}.Carries(id.Name)
	switch {
	case id.UUID != "" && uuid != "":
		if uuid == id.UUID {
			return guests
		}
		fallthrough // a machine of the guest's name and another UUID is not touched
	case id.UUID != "":
		if named {
			return maybe
		}
		return nobodys
	case named:
		return guests
	case uuid != "" && uuid == id.ConfigUUID:
		return maybe
	}
	return nobodys
}

// Of judges each process by what tells its guest.
func (ps seen) Of(id Identity, domains []Domain) Found {
	l := looked{ps, id, domains, sync.OnceValue(func() os.FileInfo { return newReader().stat(id.Config) })}
	verdicts := make([]verdict, len(ps.list))
	for i, p := range ps.list {
		verdicts[i] = l.verdict(p)
	}
	var found Found
	var list []reviver
	for i, p := range ps.list {
		switch {
		case verdicts[i] == guests && !slices.Contains(libvirtDaemons, p.program):
			list = append(list, reviver{p, ps.proc})
		case verdicts[i] != nobodys:
			found.Unknown = append(found.Unknown, Unknown{p.doubt(id)})
		}
	}
	list = append(list, ps.helpersOf(list)...)
	slices.SortStableFunc(list, func(a, b reviver) int { return cmp.Compare(a.Role(), b.Role()) })
	for _, r := range list {
		found.Revivers = append(found.Revivers, r)
	}
	return found
}

// looked is what a process is judged by.
type looked struct {
	seen
	id      Identity
	domains []Domain
	own     func() os.FileInfo // the guest's configuration, or nil
}

// verdict says whose a process is. A helper is its parent's, and only one that has
// lost it is judged by itself.
func (l looked) verdict(p process) verdict {
	switch {
	case p.program == programHelper:
		if l.hasToolstack(p.parent) {
			return nobodys
		}
		return l.ofDomain(p.domain)
	case slices.Contains(libvirtDaemons, p.program):
		return l.ofSubjects(p)
	case p.writes():
		return l.ofWriter(p)
	case p.watches() || isLogOf(p.log, l.id.Name):
		return l.ofWatcher(p)
	}
	switch p.command {
	case create, restore:
		if v, known := l.ofHelper(p); known {
			return v
		}
		return l.ofSubjects(p)
	case receive:
		return l.ofReceiver(p)
	}
	return nobodys
}

func (l looked) hasToolstack(pid int) bool {
	return slices.ContainsFunc(l.list, func(p process) bool { return p.pid == pid && p.program != programHelper })
}

// ofDomain judges by the domain of a name or id. One that may be the guest speaks for itself.
func (l looked) ofDomain(domain string) verdict {
	if d, ok := l.find(domain); ok && l.id.judge(d.Name, d.UUID) == guests {
		return guests
	}
	return nobodys
}

// find finds a domain by name or id: what has digits only is an id
// (libxl_domain_qualifier_to_domid).
func (l looked) find(domain string) (Domain, bool) {
	id, err := strconv.Atoi(domain)
	i := slices.IndexFunc(l.domains, func(d Domain) bool { return err == nil && d.ID == id || err != nil && d.Name == domain })
	if i < 0 || domain == "" {
		return Domain{}, false
	}
	return l.domains[i], true
}

// ofWatcher judges an xl in the background by its log, which has the name that the
// guest was started under. It may have been renamed since, or be started from
// another file with the guest's UUID.
func (l looked) ofWatcher(p process) verdict {
	if isLogOf(p.log, l.id.Name) {
		return guests
	}
	return l.known(p.subjects)
}

// known judges by those subjects that could be told.
func (l looked) known(subjects []subject) verdict {
	worst := nobodys
	for _, s := range subjects {
		if s.err == nil {
			worst = max(worst, l.id.judge(s.name, s.uuid))
		}
	}
	return worst
}

// ofSubjects judges a process by what it makes from files.
func (l looked) ofSubjects(p process) verdict {
	worst := nobodys
	for _, s := range p.subjects {
		switch {
		case l.isConfig(p) && (s.name == "" || s.name == l.id.Name):
			worst = guests
		case s.err != nil:
			worst = max(worst, maybe)
		default:
			worst = max(worst, l.id.judge(s.name, s.uuid))
		}
	}
	return max(worst, min(l.known(p.beside), maybe))
}

// isConfig reports whether a process makes a guest from the guest's own
// configuration, by whichever name that is given.
func (l looked) isConfig(p process) bool {
	if p.configAs == "" || l.id.Config == "" {
		return false
	}
	if p.configAs == l.id.Config {
		return true
	}
	return p.config != nil && l.own() != nil && os.SameFile(p.config, l.own())
}

// ofHelper judges an xl by the domain that its helper reads or writes, if it has one
// with a name.
func (l looked) ofHelper(p process) (v verdict, known bool) {
	for _, helper := range l.list {
		if helper.program == programHelper && helper.parent == p.pid {
			d, found := l.find(helper.domain)
			return l.ofDomain(helper.domain), found && d.Name != ""
		}
	}
	return nobodys, false
}

// ofReceiver judges a receiver that watches nothing: by its helper, or, while it
// waits for leave to start what it has received, by the xl that it has left to watch
// that. Both were begun by one connection of ssh, which may carry others as well; so it
// counts only if it can be no other's.
func (l looked) ofReceiver(p process) verdict {
	if v, known := l.ofHelper(p); known {
		return v
	}
	var watchers []process
	for _, other := range l.list {
		switch {
		case other.command != receive || p.session == "" || other.session != p.session || other.pid == p.pid:
		case !other.watches():
			return maybe
		case other.started >= p.started && l.isIncoming(other):
			watchers = append(watchers, other)
		}
	}
	if len(watchers) != 1 {
		return maybe
	}
	return l.ofWatcher(watchers[0])
}

// isIncoming reports whether what an xl watches has not been started yet.
func (l looked) isIncoming(watcher process) bool {
	return slices.ContainsFunc(l.domains, func(d Domain) bool {
		return strings.HasSuffix(d.Name, "--incoming") && isLogOf(watcher.log, strings.TrimSuffix(d.Name, "--incoming"))
	})
}

// ofWriter judges an xl that saves a domain or sends it away. Its helper has the domain's id, and
// its own words may have a name that the domain has no more.
func (l looked) ofWriter(p process) verdict {
	if v, known := l.ofHelper(p); known {
		return v
	}
	if d, ok := l.find(p.domain); ok {
		return l.ofDomain(strconv.Itoa(d.ID))
	}
	if l.known(p.subjects) == guests {
		return guests
	}
	if _, err := strconv.Atoi(p.domain); err != nil && (Domain{Name: p.domain}).Carries(l.id.Name) {
		return guests
	}
	return nobodys
}

// helpersOf returns what helps these processes: for all, libxl-save-helper; for a
// sender, also the shell or ssh that it sends by.
func (ps seen) helpersOf(list []reviver) []reviver {
	var found []reviver
	for _, r := range list {
		for _, p := range ps.list {
			if p.program == programHelper && p.parent == r.pid {
				found = append(found, reviver{p, ps.proc})
			}
		}
		if r.command == migrate || r.command == remus {
			found = append(found, ps.transportsOf(r.pid)...)
		}
	}
	return found
}

// transportsOf returns the children of a sender that are no helpers. One that has
// ended meanwhile helps no more.
func (ps seen) transportsOf(parent int) []reviver {
	entries, err := os.ReadDir(ps.proc)
	if err != nil {
		return nil
	}
	var found []reviver
	for _, entry := range entries {
		pid, err := strconv.Atoi(entry.Name())
		if err != nil {
			continue
		}
		dir := filepath.Join(ps.proc, entry.Name())
		its, err := readStatus(dir)
		if err != nil || its.parent != parent {
			continue
		}
		executable, err := os.Readlink(filepath.Join(dir, "exe"))
		program := filepath.Base(strings.TrimSuffix(executable, " (deleted)"))
		if err == nil && !isOurs(program) {
			found = append(found, reviver{process{status: its, pid: pid, program: program}, ps.proc})
		}
	}
	return found
}

// doubt says why it cannot be told whether a process brings the guest, and what helps.
func (p process) doubt(id Identity) string {
	text := p.text()
	for _, s := range p.subjects {
		if s.err != nil {
			return fmt.Sprintf("%s, of which it cannot be told which guest it makes: %s; wait for its end, or end it if it hangs", text, plain(s.err))
		}
		if slices.Contains(libvirtDaemons, p.program) && id.judge(s.name, s.uuid) != nobodys {
			return fmt.Sprintf("%s, which restores %s (UUID %s) from a saved image; wait for it, or end the guest by libvirt", text, excerpt(s.name), excerpt(s.uuid))
		}
		if id.judge(s.name, s.uuid) == maybe {
			return fmt.Sprintf("%s, which makes %s with the UUID %s, and guest %s has %q; it is not ended",
				text, excerpt(s.name), excerpt(s.uuid), id.Name, cmp.Or(id.UUID, id.ConfigUUID))
		}
	}
	for _, s := range p.beside {
		if s.err == nil && id.judge(s.name, s.uuid) != nobodys {
			return fmt.Sprintf("%s, which restores the memory of %s (UUID %s) by another configuration; wait for its domain, or end it", text, excerpt(s.name), excerpt(s.uuid))
		}
	}
	return text + ", of which it cannot be told yet which guest it receives; if its source is dead, end it"
}

// plain is the cause of an error, without the path by which we reached the file.
func plain(err error) string {
	if cause := (*fs.PathError)(nil); errors.As(err, &cause) {
		return cause.Err.Error()
	}
	return err.Error()
}

// id tells the process for people.
func (p process) id() string { return fmt.Sprintf("%s process %d", p.program, p.pid) }

// text tells also what it does. Its other words may have passwords.
func (p process) text() string {
	text := p.id()
	switch {
	case p.file != "":
		text += fmt.Sprintf(" (%s %s)", p.command, excerpt(p.file))
	case p.command != "":
		text += fmt.Sprintf(" (%s)", p.command)
	}
	if source, _, _ := strings.Cut(p.session, " "); source != "" {
		text += " from " + excerpt(source)
	}
	return text
}

// excerpt is the beginning of a text from anywhere, quoted, with all escaped that a
// terminal might take for more.
func excerpt(text string) string {
	if len(text) > 200 {
		text = text[:200] + "..."
	}
	return fmt.Sprintf("%+q", text)
}
