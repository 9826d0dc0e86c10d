package main

import (
	"bytes"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"slices"

	"github.com/stonith-plugins/stonith-plugins/plugins/internal/stonith"
)

// trust says which members are believed to be what they say they are.
type trust struct {
	caFile   stonith.Text
	pins     fingerprints
	insecure boolean
}

// config returns the rules for a connection to a member.
func (t *trust) config() (*tls.Config, error) {
	given := 0
	for _, set := range []bool{t.caFile != "", len(t.pins) > 0, bool(t.insecure)} {
		if set {
			given++
		}
	}
	if given > 1 {
		return nil, stonith.Errorf(stonith.BadConfig, "ca_file, tls_pins and tls_insecure exclude each other, want one of them")
	}
	c := &tls.Config{MinVersion: tls.VersionTLS12, CipherSuites: cipherSuites()}
	switch {
	case t.caFile != "":
		roots, err := readRoots(string(t.caFile))
		c.RootCAs = roots
		return c, err
	case len(t.pins) > 0:
		c.InsecureSkipVerify = true //nolint:forbidigo // the fingerprint is checked instead, which is stricter
		c.VerifyConnection = t.pins.verify
	case bool(t.insecure):
		c.InsecureSkipVerify = true //nolint:forbidigo // the administrator said so, and is warned at each call
	}
	return c, nil
}

// cipherSuites are Go's own for TLS 1.2, and the only one of XenServer 7, which Go leaves out by default.
func cipherSuites() []uint16 {
	ids := []uint16{tls.TLS_RSA_WITH_AES_128_CBC_SHA256}
	for _, suite := range tls.CipherSuites() {
		if slices.Contains(suite.SupportedVersions, tls.VersionTLS12) {
			ids = append(ids, suite.ID)
		}
	}
	return ids
}

// maxRoots is more than all authorities of the web, in bytes.
const maxRoots = 4 << 20

func readRoots(path string) (*x509.CertPool, error) {
	text, err := stonith.ReadFile("ca_file", path, maxRoots+1, nil)
	if err != nil {
		return nil, err
	}
	if len(text) > maxRoots {
		return nil, stonith.Errorf(stonith.BadConfig, "ca_file: %s has more than %d bytes", path, maxRoots)
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(text) {
		return nil, stonith.Errorf(stonith.BadConfig, "ca_file: %s has no certificate in PEM form", path)
	}
	return roots, nil
}

// A pinError is a certificate that is not one of tls_pins.
type pinError struct{ got fingerprint }

func (e *pinError) Error() string {
	return fmt.Sprintf("its certificate has fingerprint %s, which is not in tls_pins", e.got)
}

// verify compares the certificate of the other side. A connection that is
// resumed is compared as well.
func (fs *fingerprints) verify(state tls.ConnectionState) error {
	got := fingerprint(sha256.Sum256(state.PeerCertificates[0].Raw))
	for _, want := range *fs {
		if bytes.Equal(got[:], want[:]) {
			return nil
		}
	}
	return &pinError{got}
}

// untrusted returns err as one of the certificate, nil if it is none. It shows
// the fingerprint, so that it can be compared on the member.
func untrusted(err error) *stonith.Error {
	var pin *pinError
	var failed *tls.CertificateVerificationError
	switch {
	case errors.As(err, &pin):
		return stonith.Errorf(stonith.NotAuthenticated, "%w", pin).
			WithHint("compare with openssl x509 -in /etc/xensource/xapi-ssl.pem -noout -fingerprint -sha256 on that member before you change tls_pins")
	case errors.As(err, &failed):
		shown := "none"
		if len(failed.UnverifiedCertificates) > 0 {
			shown = fingerprint(sha256.Sum256(failed.UnverifiedCertificates[0].Raw)).String()
		}
		return stonith.Errorf(stonith.NotAuthenticated, "its certificate, with fingerprint %s, is not trusted: %w", shown, failed.Err).
			WithHint("%s", remedy(failed.Err))
	}
	return nil
}

// remedy says what helps against a certificate that is not trusted.
func remedy(cause error) string {
	const pin = "compare the fingerprint on the member (openssl x509 -in /etc/xensource/xapi-ssl.pem -noout -fingerprint -sha256) and put it into tls_pins"
	var invalid x509.CertificateInvalidError
	switch {
	case errors.As(cause, new(x509.HostnameError)):
		return "write the member into pool as its certificate names it; or " + pin
	case errors.As(cause, &invalid) && invalid.Reason == x509.Expired:
		return "is the clock of this node right? Else the member needs a new certificate; or " + pin + ", which asks for no date"
	default:
		return "is ca_file the authority that signed it? Members sign for themselves unless they were given other certificates: then " + pin
	}
}
