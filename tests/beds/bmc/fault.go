package bmc

// A Fault is a way in which a BMC fails.
type Fault string

// The faults.
const (
	Refused    Fault = "refused"     // nothing listens: ICMP says so
	Silent     Fault = "silent"      // nothing is carried out, and nothing answered
	LoseAnswer Fault = "lose-answer" // it is carried out, and not answered
	Slow       Fault = "slow"        // the answer comes Options.SlowTime later
	Truncated  Fault = "truncated"   // the answer is the first half of one
	Garbage    Fault = "garbage"     // the answer is random bytes
	Corrupt    Fault = "corrupt"     // a bit of the last byte is wrong: of the authentication code, if there is one, as in RAKP 2 and 4, else of the checksum
	Empty      Fault = "empty"       // success, properly signed, without the data that belong to it
	Replay     Fault = "replay"      // the session's answer before this one comes once more, first
	OtherSuite Fault = "other-suite" // Open Session is answered with a weaker suite than asked for, which then holds
	Full       Fault = "full"        // no session is free
	Restarts   Fault = "restarts"    // all sessions are forgotten, and what came in is not answered
	Dies       Fault = "dies"        // the session is silent from this message on
	OtherHash  Fault = "other-hash"  // the codes of RAKP 2 are those of SHA-1, whatever the suite is
	OtherCode  Fault = "other-code"  // the code of RAKP 2 is wrong, but as long as it should be
	Repeats    Fault = "repeats"     // a copy of RAKP 1 is answered as the first one was, without a new random number
	OneLogin   Fault = "one-login"   // a new Open Session or Get Session Challenge ends the logins that are under way
	OneAnswer  Fault = "one-answer"  // a copy of Open Session or RAKP 3 is refused, as a step of no session
	Unsigned   Fault = "unsigned"    // Activate Session leaves packets without authentication

	IgnoreOff Fault = "ignore-off" // off, cycle and reset are accepted, and nothing happens
	IgnoreOn  Fault = "ignore-on"  // so is on
	SaysOff   Fault = "says-off"   // whatever is true
	SaysOn    Fault = "says-on"    // whatever is true
	SlowOff   Fault = "slow-off"   // off comes SlowOffTime after the command
	RefuseSet Fault = "refuse-set" // Chassis Control ends with completion code FFh
	RefuseGet Fault = "refuse-get" // so does Get Chassis Status
	Suspends  Fault = "suspends"   // off lets the node sleep, by its operating system
	Starts    Fault = "starts"     // Get Device ID says that the BMC initialises itself
	Control   Fault = "control"    // Get Chassis Status says that the BMC could not switch the power
)

// SlowOffTime is how long SlowOff takes, in seconds.
const SlowOffTime = 2

// Faults are all faults.
func Faults() []Fault {
	return []Fault{
		Refused, Silent, LoseAnswer, Slow, Truncated, Garbage, Corrupt, Empty, Replay, OtherSuite, Full, Restarts,
		Dies, OtherHash, OtherCode, Repeats, OneLogin, OneAnswer, Unsigned, Suspends, Starts, Control,
		IgnoreOff, IgnoreOn, SaysOff, SaysOn, SlowOff, RefuseSet, RefuseGet,
	}
}

// Fail adds a fault, from now on and at every step. Restarts is once, and now.
func (b *BMC) Fail(f Fault) error {
	if f == Restarts {
		b.Restart()
		return nil
	}
	b.mu.Lock()
	b.faults[f] = true
	b.mu.Unlock()
	if f == Refused {
		b.port.shut()
	}
	return nil
}

// Mend ends all faults, and forgets what is due at later steps.
func (b *BMC) Mend() error {
	b.mu.Lock()
	clear(b.faults)
	b.rules = nil
	closed := b.isClosed()
	b.mu.Unlock()
	if closed {
		return nil
	}
	return b.listen()
}

// Restart forgets all sessions, as the restart of a BMC does. Power stays.
func (b *BMC) Restart() {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, s := range b.sessions {
		s.end(Lost)
	}
}

// A When picks messages of one step.
type When struct {
	step  Step
	nth   int
	after int
	suite int // -1 for any
}

// At is each message of that step; AnyStep is each message.
func At(step Step) When { return When{step: step, suite: -1} }

// Nth picks one message only, counted from 1 and from now on.
func (w When) Nth(n int) When {
	w.nth = n
	return w
}

// Suite picks only steps of a login, or messages of a session, with that suite of lanplus.
func (w When) Suite(number int) When {
	w.suite = number
	return w
}

// After spares the first n messages.
func (w When) After(n int) When {
	w.after = n
	return w
}

// A rule is something due at a step.
type rule struct {
	when    When
	seen    int
	fault   Fault
	refusal byte
	do      func()
}

// FailAt lets the messages fail that are picked, and no others. Refused begins there
// and stays.
func (b *BMC) FailAt(w When, f Fault) { b.add(&rule{when: w, fault: f}) }

// RefuseAt answers with a completion code, or at Open Session, RAKP 1 and RAKP 3 with
// a status of RMCP+.
func (b *BMC) RefuseAt(w When, code byte) { b.add(&rule{when: w, refusal: code}) }

// DoAt runs something when such a message has come in, before it is acted on.
func (b *BMC) DoAt(w When, do func()) { b.add(&rule{when: w, do: do}) }

func (b *BMC) add(r *rule) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.rules = append(b.rules, r)
}

// strike finds out which faults hit the request, and what is to be done before it.
func (b *BMC) strike(r *request) (acts []func()) {
	r.faults = map[Fault]bool{}
	for f := range b.faults {
		r.faults[f] = true
	}
	for _, rule := range b.rules {
		if !rule.hits(r.step, b.suiteOf(r)) {
			continue
		}
		switch {
		case rule.do != nil:
			acts = append(acts, rule.do)
		case rule.refusal != 0:
			r.refusal = rule.refusal
		default:
			r.faults[rule.fault] = true
		}
	}
	if r.faults[Refused] {
		b.faults[Refused] = true
		acts = append(acts, b.port.shut)
		r.faults[Silent] = true
	}
	if r.faults[Restarts] {
		acts = append(acts, b.Restart)
		r.faults[Silent] = true
	}
	if r.session != nil {
		r.session.dead = r.session.dead || r.faults[Dies]
		r.faults[Silent] = r.faults[Silent] || r.session.dead
	}
	return acts
}

func (r *rule) hits(step Step, suite int) bool {
	if r.when.step != AnyStep && r.when.step != step || r.when.suite >= 0 && r.when.suite != suite {
		return false
	}
	r.seen++
	return r.seen > r.when.after && (r.when.nth == 0 || r.when.nth == r.seen)
}
