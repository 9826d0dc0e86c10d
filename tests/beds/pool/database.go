package pool

import "time"

// A database is what the members of one pool say: hosts, guests, tasks. It is not
// what is true.
type database struct {
	uuid, ref string
	master    *Member
	ha        bool
	hosts     []*host
	vms       []*vm
	tasks     []*task
}

// A host is a member in a database.
type host struct {
	member   *Member
	live     bool
	disabled bool
	started  time.Time // of the agent
	told     string    // agent_start_time instead of started
}

func newDatabase() *database { return &database{uuid: newUUID(), ref: newRef()} }

func (db *database) hostOf(m *Member) *host {
	for _, h := range db.hosts {
		if h.member == m {
			return h
		}
	}
	return nil
}

func (db *database) vm(ref string) *vm {
	for _, v := range db.vms {
		if v.ref == ref {
			return v
		}
	}
	return nil
}

// byUUID is the guest with that UUID, nil if there is none.
func (db *database) byUUID(uuid string) *vm {
	for _, v := range db.vms {
		if v.uuid == uuid {
			return v
		}
	}
	return nil
}

// copyFor is the last copy that a member has of its master's database.
func (db *database) copyFor(m *Member) *database {
	copied := &database{uuid: db.uuid, ref: db.ref, master: m, ha: db.ha}
	for _, h := range db.hosts {
		one := *h
		copied.hosts = append(copied.hosts, &one)
	}
	for _, v := range db.vms {
		copied.vms = append(copied.vms, v.copied())
	}
	return copied
}

// databases are those of all members, without repetition. The lock is held.
func (p *Pool) databases() []*database {
	var all []*database
	seen := map[*database]bool{}
	for _, m := range p.members {
		if !seen[m.db] {
			seen[m.db] = true
			all = append(all, m.db)
		}
	}
	return all
}
