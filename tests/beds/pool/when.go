package pool

// A When picks calls of one method.
type When struct {
	method string
	done   bool
	nth    int
}

// Before is the moment when a call of the method has come in. What strikes then
// keeps the call from being carried out. "" is any method.
func Before(method string) When { return When{method: method} }

// After is the moment when a call of the method was carried out and is about to be
// answered.
func After(method string) When { return When{method: method, done: true} }

// Nth picks one call only, counted from 1 and from now on.
func (w When) Nth(n int) When {
	w.nth = n
	return w
}

// A rule is something due at calls.
type rule struct {
	when   When
	seen   int
	fault  Fault
	answer apiError
	do     func()
	fatal  bool // the member dies
}

// FailAt lets the calls fail that are picked, and no others. Refuse, BlackHole and
// NoTLS begin there and stay.
func (m *Member) FailAt(w When, f Fault) { m.add(&rule{when: w, fault: f}) }

// AnswerAt lets the calls end with an error of XenAPI.
func (m *Member) AnswerAt(w When, code string, args ...string) {
	m.add(&rule{when: w, answer: append(apiError{code}, args...)})
}

// DieAt lets the member die at such a call: see Die.
func (m *Member) DieAt(w When) { m.add(&rule{when: w, fatal: true}) }

// DieAfter lets the member die when it has carried out such a call, before it answers.
func (m *Member) DieAfter(method string) { m.DieAt(After(method)) }

// DieBefore lets the member die when such a call comes in.
func (m *Member) DieBefore(method string) { m.DieAt(Before(method)) }

// DoAt runs something at each such call, while the call waits.
func (m *Member) DoAt(w When, do func()) { m.add(&rule{when: w, do: do}) }

func (m *Member) add(r *rule) {
	m.pool.mu.Lock()
	defer m.pool.mu.Unlock()
	m.rules = append(m.rules, r)
}

// due are the rules for a call at one of its two moments.
func (m *Member) due(method string, done bool) []rule {
	m.pool.mu.Lock()
	defer m.pool.mu.Unlock()
	var all []rule
	for _, r := range m.rules {
		if r.when.done != done || (r.when.method != "" && r.when.method != method) {
			continue
		}
		r.seen++
		if r.when.nth == 0 || r.when.nth == r.seen {
			all = append(all, *r)
		}
	}
	return all
}

// A strike is what happens to one call.
type strike struct {
	fault  Fault
	answer apiError
}

func (m *Member) strike(method string, done bool) (s strike) {
	m.pool.mu.Lock()
	if !done || m.fault == BlackHole { // which has no way out for what was done before it
		s.fault = m.fault
	}
	m.pool.mu.Unlock()
	for _, r := range m.due(method, done) {
		switch {
		case r.do != nil:
			r.do()
		case r.answer != nil:
			s.answer = r.answer
		case r.fatal:
			s.fault = Refuse
			_ = m.Die() // Refuse does not fail
		default:
			s.fault = r.fault
			if r.fault == Refuse || r.fault == BlackHole || r.fault == NoTLS {
				_ = m.Fail(r.fault) // a test that gets no black hole sees a closed port
			}
		}
	}
	return s
}
