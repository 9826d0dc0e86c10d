package pool

import (
	"errors"
	"io"
	"net/http"
	"strconv"
	"time"
)

// requestLimit is the size above which xapi reads no request.
const requestLimit = 300 << 10

const errorPage = "<html><body><h1>HTTP 500 internal server error</h1></body></html>"

// begin counts a piece of work for Close, unless the pool is closed.
func (p *Pool) begin() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.isClosed() {
		return false
	}
	p.work.Add(1)
	return true
}

// ServeHTTP answers a request, on any path.
func (m *Member) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if !m.pool.begin() {
		panic(http.ErrAbortHandler)
	}
	defer m.pool.work.Done()
	if r.Method != http.MethodPost {
		http.Error(w, "<html><body><h1>HTTP 403 forbidden</h1></body></html>", http.StatusForbidden)
		return
	}
	body, err := io.ReadAll(io.LimitReader(r.Body, requestLimit+1))
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	e := &exchange{member: m, writer: w, request: r, path: r.URL.Path}
	if len(body) > requestLimit || e.parse(body) != nil {
		e.page()
		return
	}
	e.serve()
}

// An exchange is a call and its answer.
type exchange struct {
	member  *Member
	writer  http.ResponseWriter
	request *http.Request
	path    string
	json    *jsonCall // nil with XML-RPC
	method  string
	params  []any
}

func (e *exchange) parse(body []byte) (err error) {
	if e.path == "/jsonrpc" {
		c, err := parseJSON(body)
		e.json, e.method, e.params = &c, c.Method, c.Params
		return err
	}
	e.method, e.params, err = parseXML(body)
	return err
}

func (e *exchange) serve() {
	c := e.member.newCall(e.method, e.params)
	before := e.member.strike(e.method, false)
	if e.spoilt(before) {
		return
	}
	var value any
	failure := before.answer
	if failure == nil {
		var err error
		value, err = c.carryOut()
		if errors.Is(err, errGone) {
			e.end()
		}
		errors.As(err, &failure)
	}
	after := e.member.strike(e.method, true)
	if after.answer != nil {
		failure = after.answer
	}
	c.ended(failure)
	if !e.spoilt(after) {
		e.answer(value, failure, before.fault == HalfAnswer || after.fault == HalfAnswer)
	}
}

// abort ends the connection without an answer.
func abort() { panic(http.ErrAbortHandler) }

// spoilt gives the answer that the strike wants, and tells whether there was one.
func (e *exchange) spoilt(s strike) bool {
	switch s.fault {
	case Healthy, HalfAnswer:
		return false
	case Slow:
		e.pause(e.member.pool.options.SlowTime)
		return false
	case Refuse, HangUp:
		abort()
	case BlackHole, NoTLS, NoAnswer:
		e.hang()
	case HTML500:
		e.page()
	case EmptyBody:
		e.write(nil)
	case NoStatus:
		e.write(xmlAnswer(record{}, nil, true))
	case Redirect:
		http.Redirect(e.writer, e.request, e.member.URL()+e.path, http.StatusFound)
	}
	return true
}

// pause waits, unless the client goes away or the pool is closed.
func (e *exchange) pause(d time.Duration) {
	select {
	case <-time.After(d):
	case <-e.request.Context().Done():
		abort()
	case <-e.member.pool.closed:
		abort()
	}
}

// hang gives no answer for as long as the client stays.
func (e *exchange) hang() {
	select {
	case <-e.request.Context().Done():
	case <-e.member.pool.closed:
	}
	abort()
}

// end is for a call that nobody answers: a host without power sends no end of a
// connection either.
func (e *exchange) end() {
	e.member.pool.mu.Lock()
	silent := e.member.fault == BlackHole
	e.member.pool.mu.Unlock()
	if silent {
		e.hang()
	}
	abort()
}

// page answers with HTML and status 500, as xapi does to a broken request.
func (e *exchange) page() {
	e.writer.Header().Set("Content-Type", "text/html")
	e.writer.WriteHeader(http.StatusInternalServerError)
	e.send([]byte(errorPage))
}

func (e *exchange) answer(value any, failure apiError, half bool) {
	body := xmlAnswer(value, failure, e.method == "system.listMethods")
	if e.json != nil {
		var err error
		if body, err = e.json.answer(value, failure); err != nil {
			panic(err) // a value that cannot be sent: a mistake of this package
		}
	}
	if failure != nil && failure[0] == "HOST_IS_SLAVE" {
		e.addThumbprint()
	}
	if half {
		e.cutOff(body)
	}
	e.write(body)
}

func (e *exchange) write(body []byte) {
	for name, value := range map[string]string{
		"Connection": "keep-alive", "Cache-Control": "no-cache, no-store",
		"Access-Control-Allow-Origin": "*", "Access-Control-Allow-Headers": "X-Requested-With",
	} {
		e.writer.Header().Set(name, value)
	}
	e.writer.Header().Set("Content-Type", e.contentType())
	e.writer.Header().Set("Content-Length", strconv.Itoa(len(body)))
	e.send(body)
}

func (e *exchange) contentType() string {
	if e.json != nil {
		return "application/json"
	}
	return "text/xml"
}

func (e *exchange) send(body []byte) { _, _ = e.writer.Write(body) } // the client may be gone

// cutOff sends the first half of the answer and ends the connection.
func (e *exchange) cutOff(body []byte) {
	e.writer.Header().Set("Content-Type", e.contentType())
	e.writer.Header().Set("Content-Length", strconv.Itoa(len(body)))
	e.send(body[:len(body)/2])
	_ = http.NewResponseController(e.writer).Flush() // the client may be gone
	abort()
}

// addThumbprint tells a client that asks for it which certificate the master has.
func (e *exchange) addThumbprint() {
	if e.request.Header.Get("x-xenapi-request-host-certificate-thumbprint") != "sha-256:master" {
		return
	}
	if thumbprint, ok := e.member.masterThumbprint(); ok {
		e.writer.Header().Set("x-xenapi-response-host-certificate-thumbprint", thumbprint)
	}
}
