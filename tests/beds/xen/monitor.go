package xen

import (
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"time"
)

// A monitor is QEMU's control socket. Its protocol is QMP: JSON objects, an answer to each request.
type monitor struct {
	conn    net.Conn
	answers *json.Decoder
}

// monitorLimit is how long QEMU may take for an answer.
const monitorLimit = time.Minute

// openMonitor connects as soon as QEMU listens.
func openMonitor(path string, ended <-chan struct{}) (*monitor, error) {
	for deadline := time.Now().Add(monitorLimit); ; {
		conn, err := net.Dial("unix", path)
		if err == nil {
			m := &monitor{conn, json.NewDecoder(conn)}
			return m, m.ask("qmp_capabilities", nil, nil)
		}
		select {
		case <-ended:
			return nil, errors.New("QEMU ended")
		case <-time.After(10 * time.Millisecond):
		}
		if time.Now().After(deadline) {
			return nil, err
		}
	}
}

// ask sends a command, and puts what it returns into result, if that is not nil.
func (m *monitor) ask(command string, arguments, result any) error {
	if err := m.conn.SetDeadline(time.Now().Add(monitorLimit)); err != nil {
		return err
	}
	request := map[string]any{"execute": command}
	if arguments != nil {
		request["arguments"] = arguments
	}
	if err := json.NewEncoder(m.conn).Encode(request); err != nil {
		return fmt.Errorf("QEMU: %s: %w", command, err)
	}
	for {
		var answer struct {
			Return json.RawMessage
			Error  *struct{ Desc string }
		}
		if err := m.answers.Decode(&answer); err != nil {
			return fmt.Errorf("QEMU: %s: %w", command, err)
		}
		switch {
		case answer.Error != nil:
			return fmt.Errorf("QEMU: %s: %s", command, answer.Error.Desc)
		case answer.Return == nil: // the greeting, or an event
		case result != nil:
			return json.Unmarshal(answer.Return, result)
		default:
			return nil
		}
	}
}

// migrated returns when a state is saved or loaded.
func (m *monitor) migrated() error {
	for {
		var info struct {
			Status string
			Desc   string `json:"error-desc"`
		}
		if err := m.ask("query-migrate", nil, &info); err != nil {
			return err
		}
		switch info.Status {
		case "completed":
			return nil
		case "failed", "cancelled":
			return fmt.Errorf("QEMU: migration %s: %s", info.Status, info.Desc)
		}
		time.Sleep(10 * time.Millisecond)
	}
}

// Close closes the socket.
func (m *monitor) Close() { m.conn.Close() }
