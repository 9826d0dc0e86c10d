package pool

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"strings"
	"sync"
	"time"
)

// A Certificate is what a member shows of itself.
type Certificate string

// The certificates.
const (
	CertGood       Certificate = "good"        // from the pool's CA, with the member's name and address
	CertExpired    Certificate = "expired"     // ended yesterday
	CertWrongName  Certificate = "wrong-name"  // for another name and address
	CertNoAddress  Certificate = "no-address"  // with the member's name but without its address, as before 2020
	CertSelfSigned Certificate = "self-signed" // from nobody
	CertOtherCA    Certificate = "other-ca"    // from a CA with the same name
)

// memberKey is one for all members of all pools: it costs time to make.
var memberKey = sync.OnceValues(func() (*rsa.PrivateKey, error) { return rsa.GenerateKey(rand.Reader, 2048) })

// An authority issues certificates.
type authority struct {
	key  crypto.Signer
	cert *x509.Certificate
	pem  []byte
}

func newAuthority(name string) (*authority, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	template := &x509.Certificate{
		SerialNumber: serial(), Subject: pkix.Name{CommonName: name},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().AddDate(1, 0, 0),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageCRLSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return nil, err
	}
	cert, err := x509.ParseCertificate(der)
	return &authority{key, cert, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})}, err
}

func serial() *big.Int {
	n, _ := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 100)) // it cannot fail
	return n
}

// issue makes a certificate for the member.
func (m *Member) issue(kind Certificate) (*tls.Certificate, error) {
	key, err := memberKey()
	if err != nil {
		return nil, err
	}
	template := &x509.Certificate{
		SerialNumber: serial(), Subject: pkix.Name{CommonName: m.Name()},
		DNSNames: []string{m.Name()}, IPAddresses: []net.IP{net.ParseIP(m.address)},
		NotBefore: time.Now().Add(-48 * time.Hour), NotAfter: time.Now().AddDate(1, 0, 0),
		KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageKeyEncipherment, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	signer, parent := m.pool.ca.key, m.pool.ca.cert
	switch kind {
	case CertGood:
	case CertExpired:
		template.NotAfter = time.Now().Add(-24 * time.Hour)
	case CertWrongName:
		template.Subject.CommonName, template.DNSNames, template.IPAddresses = "elsewhere", []string{"elsewhere"}, []net.IP{net.IPv4(192, 0, 2, 1)}
	case CertNoAddress:
		template.IPAddresses = nil
	case CertSelfSigned:
		signer, parent = key, template
	case CertOtherCA:
		other, err := newAuthority(parent.Subject.CommonName)
		if err != nil {
			return nil, err
		}
		signer, parent = other.key, other.cert
	default:
		return nil, fmt.Errorf("pool: no certificate is called %q", kind)
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, key.Public(), signer)
	if err != nil {
		return nil, err
	}
	return &tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, nil
}

// Show lets the member show another certificate on new connections.
func (m *Member) Show(kind Certificate) error {
	certificate, err := m.issue(kind)
	if err != nil {
		return err
	}
	m.pool.mu.Lock()
	defer m.pool.mu.Unlock()
	m.certificate = certificate
	return nil
}

// Pin is the SHA-256 fingerprint of the certificate that the member shows now, in hexadecimal.
func (m *Member) Pin() string {
	m.pool.mu.Lock()
	defer m.pool.mu.Unlock()
	return m.pin()
}

func (m *Member) pin() string { return fmt.Sprintf("%x", sha256.Sum256(m.certificate.Certificate[0])) }

// thumbprint is the fingerprint as xapi prints it.
func (m *Member) thumbprint() string {
	sum := sha256.Sum256(m.certificate.Certificate[0])
	return strings.ReplaceAll(fmt.Sprintf("% X", sum[:]), " ", ":")
}

// tlsConfig is that of an xapi of 2026.
func (m *Member) tlsConfig() *tls.Config {
	return &tls.Config{
		MinVersion: tls.VersionTLS12, MaxVersion: tls.VersionTLS12,
		CipherSuites:     []uint16{tls.TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384, tls.TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256},
		CurvePreferences: []tls.CurveID{tls.CurveP384},
		GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) {
			m.pool.mu.Lock()
			defer m.pool.mu.Unlock()
			return m.certificate, nil
		},
	}
}
