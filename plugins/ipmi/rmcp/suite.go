package rmcp

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha1"
	"crypto/sha256"
	"fmt"
	"hash"
	"maps"
	"slices"
)

// algorithms are the numbers of what protects a session: the exchange of keys, the
// packets' integrity and their confidentiality (section 13.28).
type algorithms [3]byte

const (
	authentication  = iota // index of algorithms
	integrity              // index of algorithms
	confidentiality        // index of algorithms
)

// A suite is a cipher suite (section 22.15.2).
type suite struct {
	algorithms
	hash func() hash.Hash // nil if nothing is authenticated
	// short is the length to which codes are cut, but for those of RAKP 2 and 3:
	// HMAC-SHA1-96 (RFC 2404), HMAC-SHA256-128 (RFC 4868).
	short int
}

// suites has those that need no MD5 and no RC4.
var suites = map[int]suite{
	0:  {algorithms: algorithms{0, 0, 0}},
	1:  {algorithms{1, 0, 0}, sha1.New, 12},
	2:  {algorithms{1, 1, 0}, sha1.New, 12},
	3:  {algorithms{1, 1, 1}, sha1.New, 12},
	15: {algorithms{3, 0, 0}, sha256.New, 16},
	16: {algorithms{3, 4, 0}, sha256.New, 16},
	17: {algorithms{3, 4, 1}, sha256.New, 16},
}

// Unsigned reports whether a cipher suite leaves the packets of a session without
// integrity: whatever the login proved, nothing then ties an answer to the BMC.
func Unsigned(number int) bool { return suites[number].algorithms[integrity] == 0 }

// knownSuites lists the numbers of the suites.
func knownSuites() string { return fmt.Sprint(slices.Sorted(maps.Keys(suites))) }

// mac returns the HMAC (RFC 2104) of the parts, nothing if the suite has none.
func (s suite) mac(key []byte, parts ...[]byte) []byte {
	if s.hash == nil {
		return nil
	}
	h := hmac.New(s.hash, key)
	for _, part := range parts {
		h.Write(part)
	}
	return h.Sum(nil)
}

// shortMAC returns the HMAC as it stands at the end of packets.
func (s suite) shortMAC(key []byte, parts ...[]byte) []byte { return s.mac(key, parts...)[:s.short] }

// codeLength is the length of the code that ends a packet.
func (s suite) codeLength() int {
	if s.algorithms[integrity] == 0 {
		return 0
	}
	return s.short
}

// encrypts reports whether payloads are encrypted.
func (s suite) encrypts() bool { return s.algorithms[confidentiality] != 0 }

// key returns one of the keys that come from the session's integrity key: 1 is for
// integrity, 2 for confidentiality (section 13.32).
func (s suite) key(sik []byte, number byte) []byte {
	return s.mac(sik, bytes.Repeat([]byte{number}, 20))
}

// newBlock returns AES-128 with a session's key, nil if the suite does not encrypt.
func (s suite) newBlock(sik []byte) cipher.Block {
	if !s.encrypts() {
		return nil
	}
	block, err := aes.NewCipher(s.key(sik, 2)[:aes.BlockSize])
	if err != nil {
		panic(err) // the key has the right length
	}
	return block
}

// randomID returns four random bytes that are not all 0, which no session may have
// for its ID or a number of its packets.
func randomID() (id [4]byte) {
	for id == [4]byte{} {
		rand.Read(id[:]) // never fails
	}
	return id
}

// encrypt returns a payload encrypted by AES-CBC-128 (section 13.29, RFC 3602): a
// random vector, then the payload with padding.
func encrypt(block cipher.Block, payload []byte) []byte {
	padding := aes.BlockSize - 1 - len(payload)%aes.BlockSize
	out := make([]byte, aes.BlockSize, 2*aes.BlockSize+len(payload)+padding)
	rand.Read(out) // never fails
	out = append(out, payload...)
	for i := 1; i <= padding; i++ {
		out = append(out, byte(i))
	}
	out = append(out, byte(padding))
	body := out[aes.BlockSize:]
	cipher.NewCBCEncrypter(block, out[:aes.BlockSize]).CryptBlocks(body, body)
	return out
}

// decrypt undoes encrypt.
func decrypt(block cipher.Block, payload []byte) ([]byte, error) {
	if len(payload) < 2*aes.BlockSize || len(payload)%aes.BlockSize != 0 {
		return nil, malformed("encrypted payload of %d bytes", len(payload))
	}
	body := make([]byte, len(payload)-aes.BlockSize)
	cipher.NewCBCDecrypter(block, payload[:aes.BlockSize]).CryptBlocks(body, payload[aes.BlockSize:])
	padding := int(body[len(body)-1])
	if padding >= aes.BlockSize {
		return nil, malformed("%d bytes of padding in an encrypted payload", padding)
	}
	return body[:len(body)-1-padding], nil
}
