package rmcp

import (
	"bytes"
	"encoding/hex"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// captured returns the packets of a capture in order; ours is what a console sent.
func captured(t testing.TB, name string) (packets [][]byte, ours []bool) {
	text, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		direction, digits, _ := strings.Cut(strings.TrimSpace(line), " ")
		if direction == "#" {
			continue
		}
		packet, err := hex.DecodeString(digits)
		if err != nil {
			t.Fatal(err)
		}
		packets, ours = append(packets, packet), append(ours, direction == ">")
	}
	return packets, ours
}

func seed(f *testing.F, add func([]byte)) {
	for _, name := range []string{"lan-md5.txt", "lanplus-3.txt", "lanplus-17.txt"} {
		packets, _ := captured(f, name)
		for _, packet := range packets {
			add(packet)
		}
	}
}

// What is accepted has the same bytes again, but for the RMCP header and what
// follows the message.
func FuzzUnpack(f *testing.F) {
	seed(f, func(packet []byte) { f.Add(packet) })
	f.Fuzz(func(t *testing.T, datagram []byte) {
		p, err := unpack(datagram)
		if err != nil {
			if !errors.Is(err, ErrMalformed) {
				t.Errorf("error of another kind: %v", err)
			}
			return
		}
		if again := p.pack(); !bytes.HasPrefix(datagram[4:], again[4:]) {
			t.Errorf("%x is packed as %x", datagram, again)
		}
	})
}

func FuzzUnpackPlus(f *testing.F) {
	seed(f, func(packet []byte) { f.Add(packet, byte(12)); f.Add(packet, byte(16)); f.Add(packet, byte(0)) })
	f.Fuzz(func(t *testing.T, datagram []byte, codeLength byte) {
		p, err := unpackPlus(datagram, int(codeLength%33))
		if err != nil {
			if !errors.Is(err, ErrMalformed) {
				t.Errorf("error of another kind: %v", err)
			}
			return
		}
		again := p.pack()
		if !bytes.HasPrefix(datagram[4:], again[4:]) || p.authenticated && len(again) != len(datagram) {
			t.Errorf("%x is packed as %x", datagram, again)
		}
	})
}

// No packet that is cut short anywhere is taken for a whole one.
func TestTruncated(t *testing.T) {
	lan, _ := captured(t, "lan-md5.txt")
	for _, packet := range lan {
		for n := range packet {
			if _, err := unpack(packet[:n]); !errors.Is(err, ErrMalformed) {
				t.Fatalf("%x, %d bytes of it: %v", packet, n, err)
			}
		}
	}
	lanplus, _ := captured(t, "lanplus-17.txt")
	for _, packet := range lanplus[2:] {
		for n := range packet {
			if p, err := unpackPlus(packet[:n], 16); !errors.Is(err, ErrMalformed) {
				t.Fatalf("%x, %d bytes of it: %+v, %v", packet, n, p, err)
			}
		}
	}
}

// A trailer is as long as it says, and there is none where there is no code.
func TestWrongTrailer(t *testing.T) {
	for _, tt := range []struct {
		trailer    string
		codeLength int
		good       bool
	}{
		{"0007 010203", 3, true},
		{"ffff0207 010203", 3, true},
		{"ffff0107 010203", 3, false},
		{"ff07 010203", 3, false},
		{"07 010203", 3, false},
		{"010203", 3, false},
		{"", 3, false},
		{"0007", 0, false},
		{"", 0, false},
	} {
		trailer, err := hex.DecodeString(strings.ReplaceAll(tt.trailer, " ", ""))
		if err != nil {
			t.Fatal(err)
		}
		datagram := plusPacket{authenticated: true, payload: []byte("payload"), trailer: trailer}.pack()
		if _, err := unpackPlus(datagram, tt.codeLength); (err == nil) != tt.good || err != nil && !errors.Is(err, ErrMalformed) {
			t.Errorf("trailer %q with a code of %d: %v", tt.trailer, tt.codeLength, err)
		}
	}
}

func TestTrailer(t *testing.T) {
	for length, want := range map[int]string{0: "ffff0207", 1: "ff0107", 2: "0007", 3: "ffffff0307", 32: "ffff0207"} {
		if got := hex.EncodeToString(newTrailer(length)); got != want {
			t.Errorf("payload of %d bytes: trailer %s, want %s", length, got, want)
		}
	}
}

// A reply is never taken for that of another request, nor a broken one for whole.
func TestResponse(t *testing.T) {
	asked := request{command: getChassisStatus, sequence: 5}
	const good = "8104 7b 20 14 01 00 010000 ca"
	tests := []struct{ name, message, want string }{
		{"whole", good, ""},
		{"other BMC address", "8104 7b 22 14 01 00 010000 c8", ""},
		{"empty", "", "response of 0 bytes"},
		{"no completion code", "8104 7b 20 14 01 cb", "response of 7 bytes"},
		{"first checksum", "8104 7c 20 14 01 00 010000 ca", "wrong checksum"},
		{"second checksum", "8104 7b 20 14 01 00 000000 ca", "wrong checksum"},
		{"earlier request", "8104 7b 20 10 01 00 010000 ce", "one more answer to an earlier request"},
		{"other command", "8104 7b 20 14 02 00 010000 c9", "response to another command, 01h/02h"},
		{"other function", "811c 63 20 14 01 00 010000 ca", "response to another command, 07h/01h"},
		{"request", "8100 7f 20 14 01 00 010000 ca", "response to another command, 00h/01h"},
	}
	for _, tt := range tests {
		message, err := hex.DecodeString(strings.ReplaceAll(tt.message, " ", ""))
		if err != nil {
			t.Fatal(err)
		}
		completion, data, err := asked.unpackResponse(message)
		switch {
		case tt.want == "" && (err != nil || completion != 0 || len(data) != 3 || data[0] != 1):
			t.Errorf("%s: %02X, %x, %v", tt.name, completion, data, err)
		case tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want) || errors.Is(err, ErrMalformed) == errors.Is(err, errEarlier)):
			t.Errorf("%s: error %v, want %s", tt.name, err, tt.want)
		}
	}
}
