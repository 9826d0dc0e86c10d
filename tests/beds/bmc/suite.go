package bmc

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hmac"
	"crypto/md5"
	"crypto/sha1"
	"crypto/sha256"
	"encoding/binary"
	"hash"
)

// A suite is the numbers of the algorithms of a cipher suite.
type suite struct{ auth, integrity, confidentiality byte }

// Numbers of algorithms. 0 is none.
const (
	authSHA1        = 1
	authSHA256      = 3
	integritySHA1   = 1
	integritySHA256 = 4
	aesCBC128       = 1
)

// suites are the ones that a BMC can have.
var suites = map[int]suite{
	0:  {},
	1:  {auth: authSHA1},
	2:  {auth: authSHA1, integrity: integritySHA1},
	3:  {auth: authSHA1, integrity: integritySHA1, confidentiality: aesCBC128},
	15: {auth: authSHA256},
	16: {auth: authSHA256, integrity: integritySHA256},
	17: {auth: authSHA256, integrity: integritySHA256, confidentiality: aesCBC128},
}

// mac is what proves the knowledge of a key. Without authentication it is empty.
func (c suite) mac(key []byte, parts ...[]byte) []byte {
	var make func() hash.Hash
	switch c.auth {
	case authSHA1:
		make = sha1.New
	case authSHA256:
		make = sha256.New
	default:
		return nil
	}
	h := hmac.New(make, key)
	for _, part := range parts {
		h.Write(part)
	}
	return h.Sum(nil)
}

// short is as much of a mac as RAKP 4 and the signatures have.
func (c suite) short(mac []byte) []byte {
	switch c.auth {
	case authSHA1:
		return mac[:12]
	case authSHA256:
		return mac[:16]
	}
	return nil
}

// setKeys makes the keys of a session out of the one that the login agreed on.
func (s *session) setKeys(sik []byte) error {
	if s.suite.auth == 0 {
		return nil
	}
	s.key1 = s.suite.mac(sik, bytes.Repeat([]byte{1}, 20))
	key2 := s.suite.mac(sik, bytes.Repeat([]byte{2}, 20))
	var err error
	s.block, err = aes.NewCipher(key2[:16])
	return err
}

// sign adds the trailer: padding, and a code of all from the format on.
func (s *session) sign(packet []byte) []byte {
	padding := byte(0)
	for ; (len(packet)-4+2)%4 != 0; padding++ {
		packet = append(packet, 0xff)
	}
	packet = append(packet, padding, 7)
	return append(packet, s.suite.short(s.suite.mac(s.key1, packet[4:]))...)
}

// signedWell tells whether the trailer, which begins at end or after padding, is right.
func (s *session) signedWell(packet []byte, end int) bool {
	code := len(packet) - len(s.suite.short(make([]byte, 32)))
	if code < end+2 || code-end-2 != int(packet[code-2]) || packet[code-1] != 7 || (code-4)%4 != 0 {
		return false
	}
	return hmac.Equal(packet[code:], s.suite.short(s.suite.mac(s.key1, packet[4:code])))
}

// encrypt pads with 1, 2, 3, ... and their number.
func (s *session) encrypt(plain []byte) []byte {
	padded := bytes.Clone(plain)
	padding := byte(0)
	for ; (len(padded)+1)%aes.BlockSize != 0; padding++ {
		padded = append(padded, padding+1)
	}
	padded = append(padded, padding)
	vector := make([]byte, aes.BlockSize)
	fillRandom(vector)
	cipher.NewCBCEncrypter(s.block, vector).CryptBlocks(padded, padded)
	return append(vector, padded...)
}

// decrypt returns nil for what is not encrypted well.
func (s *session) decrypt(payload []byte) []byte {
	if len(payload) < 2*aes.BlockSize || len(payload)%aes.BlockSize != 0 {
		return nil
	}
	plain := bytes.Clone(payload[aes.BlockSize:])
	cipher.NewCBCDecrypter(s.block, payload[:aes.BlockSize]).CryptBlocks(plain, plain)
	padding := int(plain[len(plain)-1])
	end := len(plain) - 1 - padding
	if padding >= aes.BlockSize || end < 0 {
		return nil
	}
	for i := range padding {
		if plain[end+i] != byte(i+1) {
			return nil
		}
	}
	return plain[:end]
}

// proof is the authentication code of a message of lan.
func (s *session) proof(number uint32, raw []byte) []byte {
	var password [16]byte
	copy(password[:], s.user.Password)
	switch s.Auth {
	case AuthNone:
	case AuthStraight:
		return password[:]
	case AuthMD5:
		h := md5.New()
		h.Write(password[:])
		h.Write(binary.LittleEndian.AppendUint32(nil, s.id))
		h.Write(raw)
		h.Write(binary.LittleEndian.AppendUint32(nil, number))
		h.Write(password[:])
		return h.Sum(nil)
	}
	return nil
}
