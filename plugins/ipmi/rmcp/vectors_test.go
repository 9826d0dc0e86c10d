package rmcp

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"testing"
)

// The codes, the keys and the packets of sessions between programs of others.
func TestCapturedLanplus(t *testing.T) {
	for name, number := range map[string]int{"lanplus-3.txt": 3, "lanplus-17.txt": 17} {
		t.Run(name, func(t *testing.T) {
			packets, ours := captured(t, name)
			payload := func(i int) []byte {
				p, err := unpackPlus(packets[i], 0)
				if err != nil {
					t.Fatal(err)
				}
				return p.payload
			}
			// The first two packets ask for the capabilities.
			r := &rakp{suite: suites[number], role: byte(Administrator) | nameOnly, user: rightUser}
			request := payload(2)
			copy(r.console[:], request[4:])
			if got := r.openRequest(0); !bytes.Equal(got, request) {
				t.Errorf("open request %x, want %x", got, request)
			}
			if err := r.takeOpenResponse(payload(3)); err != nil {
				t.Fatal(err)
			}
			copy(r.consoleRandom[:], payload(4)[8:])
			if got := r.message1(0); !bytes.Equal(got, payload(4)) {
				t.Errorf("RAKP 1 %x, want %x", got, payload(4))
			}
			password := []byte(rightPassword)
			code, err := r.takeMessage2(payload(5))
			if err != nil || !bytes.Equal(code, r.code2(password)) {
				t.Errorf("code of RAKP 2 %x, want %x (%v)", r.code2(password), code, err)
			}
			if got := r.message3(0, 0, r.code3(password)); !bytes.Equal(got, payload(6)) {
				t.Errorf("RAKP 3 %x, want %x", got, payload(6))
			}
			sik := r.sik(password)
			code, err = r.takeMessage4(payload(7))
			if err != nil || !bytes.Equal(code, r.code4(sik)) {
				t.Errorf("code of RAKP 4 %x, want %x (%v)", r.code4(sik), code, err)
			}
			console, bmc := newPlusSession(r, sik), newPlusSession(r, sik)
			bmc.console, bmc.system = bmc.system, bmc.console
			for i := 8; i < len(packets); i++ {
				in := console
				if ours[i] {
					in = bmc
				}
				m, err := in.unwrap(packets[i])
				if err != nil || checksum(m[3:]) != 0 {
					t.Errorf("packet %d: %x, %v", i, m, err)
				}
				if _, err := in.unwrap(packets[i]); err == nil {
					t.Errorf("packet %d is taken twice", i)
				}
			}
		})
	}
}

func TestCapturedLan(t *testing.T) {
	packets, ours := captured(t, "lan-md5.txt")
	for i := 4; i < len(packets); i++ {
		p, err := unpack(packets[i])
		if err != nil {
			t.Fatal(err)
		}
		s := &lanSession{password: []byte(rightPassword), authType: MD5, session: p.session, active: true}
		if m, err := s.unwrap(packets[i]); err != nil || checksum(m[3:]) != 0 {
			t.Errorf("packet %d: %x, %v", i, m, err)
		}
		if ours[i] && p.sequence != 0 {
			s.sequence = p.sequence
			if got := s.wrap(p.message); !bytes.Equal(got, packets[i]) {
				t.Errorf("packet %d is packed as %x, want %x", i, got, packets[i])
			}
		}
		s.password = []byte("Secret-2")
		if _, err := s.unwrap(packets[i]); err == nil {
			t.Errorf("packet %d is taken with a wrong password", i)
		}
	}
}

// RFC 2202, test case 2, and RFC 4231, test case 2.
func TestMAC(t *testing.T) {
	for number, want := range map[int]string{
		3:  "effcdf6ae5eb2fa2d27416d5f184df9c259a7c79",
		17: "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843",
	} {
		got := suites[number].mac([]byte("Jefe"), []byte("what do ya want "), []byte("for nothing?"))
		if hex.EncodeToString(got) != want {
			t.Errorf("suite %d: %x, want %s", number, got, want)
		}
	}
}

// The captured sessions show that what others encrypt is decrypted.
func TestEncrypt(t *testing.T) {
	block, err := aes.NewCipher(make([]byte, 16))
	if err != nil {
		t.Fatal(err)
	}
	for length := range 50 {
		payload := bytes.Repeat([]byte{7}, length)
		sealed := encrypt(block, payload)
		if again := encrypt(block, payload); bytes.Equal(sealed[:16], again[:16]) {
			t.Errorf("%d bytes: the same vector twice", length)
		}
		if _, err := decrypt(block, sealed[:len(sealed)-1]); err == nil {
			t.Errorf("%d bytes: taken although cut short", length)
		}
		if got, err := decrypt(block, sealed); err != nil || !bytes.Equal(got, payload) {
			t.Errorf("%d bytes: %x, %v", length, got, err)
		}
	}
}

// What is not a padded payload is refused, whatever its blocks hold.
func TestDecrypt(t *testing.T) {
	block, err := aes.NewCipher(make([]byte, 16))
	if err != nil {
		t.Fatal(err)
	}
	for _, length := range []int{0, 1, 16, 31} {
		if got, err := decrypt(block, make([]byte, length)); !errors.Is(err, ErrMalformed) {
			t.Errorf("%d bytes: %x, %v", length, got, err)
		}
	}
	for padding := range 256 {
		sealed, body := make([]byte, 3*16), make([]byte, 2*16)
		body[31] = byte(padding)
		cipher.NewCBCEncrypter(block, sealed[:16]).CryptBlocks(sealed[16:], body)
		got, err := decrypt(block, sealed)
		if padding < 16 && (err != nil || len(got) != 31-padding) || padding >= 16 && !errors.Is(err, ErrMalformed) {
			t.Errorf("%d bytes of padding: %x, %v", padding, got, err)
		}
	}
}

// A packet with a right code is refused nevertheless if it is of another type, or is not
// protected as all of the session are.
func TestOtherProtection(t *testing.T) {
	changes := map[string]func(*plusPacket){
		"type":              func(p *plusPacket) { p.payloadType = 1 },
		"encrypted or not":  func(p *plusPacket) { p.encrypted = !p.encrypted },
		"without code":      func(p *plusPacket) { p.authenticated = false },
		"session":           func(p *plusPacket) { p.session++ },
		"outside a session": func(p *plusPacket) { p.session = 0 },
	}
	for _, number := range []int{0, 1, 2, 3, 15, 16, 17} {
		for name, change := range changes {
			r := &rakp{suite: suites[number], console: [4]byte{1}, system: [4]byte{2}}
			console, bmc := newPlusSession(r, []byte("key")), newPlusSession(r, []byte("key"))
			bmc.console, bmc.system = bmc.system, bmc.console
			p, err := unpackPlus(bmc.wrap(make([]byte, 8)), bmc.codeLength())
			if err != nil {
				t.Fatal(err)
			}
			was := p.authenticated
			if change(&p); p.authenticated {
				p.code = nil
				p.code = bmc.shortMAC(bmc.key, p.pack()[len(rmcpHeader):])
			}
			if name == "without code" && !was {
				continue // it never had one
			}
			if m, err := console.unwrap(p.pack()); !errors.Is(err, ErrMalformed) {
				t.Errorf("suite %d, %s: %x, %v", number, name, m, err)
			}
		}
	}
}

// A bit that is changed anywhere in a packet of a session makes it worthless.
func TestTampered(t *testing.T) {
	r := &rakp{suite: suites[17], console: [4]byte{1}, system: [4]byte{2}}
	console, bmc := newPlusSession(r, []byte("key")), newPlusSession(r, []byte("key"))
	bmc.console, bmc.system = bmc.system, bmc.console
	packet := bmc.wrap([]byte("power is on"))
	for i := 4; i < len(packet); i++ {
		packet[i] ^= 1
		if m, err := console.unwrap(packet); err == nil {
			t.Errorf("byte %d changed: taken as %q", i, m)
		}
		packet[i] ^= 1
	}
	if m, err := console.unwrap(packet); err != nil || string(m) != "power is on" {
		t.Errorf("unchanged: %q, %v", m, err)
	}
	if got := binary.LittleEndian.Uint32(packet[10:]); got != 1 {
		t.Errorf("the first packet has number %d", got)
	}
}

// Whatever a packet with a right code holds, it is refused as malformed, or is of the
// session and protected as it should be.
func FuzzUnwrap(f *testing.F) {
	numbers := []int{0, 1, 2, 3, 15, 16, 17}
	response := []byte{0x81, 4, 0x7B, 0x20, 0x14, 1, 0, 1, 0, 0, 0xCA}
	for i := range numbers {
		f.Add(byte(i), byte(payloadMessage), uint32(1), uint32(1), response)
		f.Add(byte(i), byte(flagAuthenticated), uint32(1), uint32(0), response)
		f.Add(byte(i), byte(flagAuthenticated|flagEncrypted), uint32(2), uint32(9), make([]byte, 32))
	}
	f.Fuzz(func(t *testing.T, suite, kind byte, session, sequence uint32, payload []byte) {
		if len(payload) > maxPacket {
			return
		}
		r := &rakp{suite: suites[numbers[int(suite)%len(numbers)]], console: [4]byte{1}, system: [4]byte{2}}
		console := newPlusSession(r, []byte("key"))
		p := plusPacket{
			payloadType: kind & payloadType, encrypted: kind&flagEncrypted != 0, authenticated: kind&flagAuthenticated != 0,
			session: session, sequence: sequence, payload: payload,
		}
		if p.authenticated {
			p.trailer = newTrailer(len(payload))
			p.code = r.shortMAC(console.key, p.pack()[len(rmcpHeader):])
		}
		message, err := console.unwrap(p.pack())
		if err == nil {
			if p.payloadType != payloadMessage || session != console.console ||
				p.encrypted != r.encrypts() || p.authenticated != (r.codeLength() > 0) {
				t.Errorf("taken: %+v", p)
			}
			_, _, err = request{command: getChassisStatus, sequence: 5}.unpackResponse(message)
		}
		if err != nil && !errors.Is(err, ErrMalformed) {
			t.Errorf("error of another kind: %v", err)
		}
	})
}
