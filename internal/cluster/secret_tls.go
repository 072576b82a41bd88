// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package cluster

import (
	"crypto/ed25519"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"fmt"
	"math/big"
	"time"
)

// tlsName is in each node's certificate.
const tlsName = "node.holdfast.internal"

// authority is who signs the certificates of a cluster's nodes: its key comes from
// the master, so each holder of the secret is the authority.
type authority struct {
	key  ed25519.PrivateKey
	cert *x509.Certificate
	pool *x509.CertPool // it alone
}

func (m master) authority() (*authority, error) {
	a := &authority{key: ed25519.NewKeyFromSeed(m.derive("certificate authority", ed25519.SeedSize)), pool: x509.NewCertPool()}
	now := time.Now()
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "holdfast cluster"},
		NotBefore: now.Add(-24 * time.Hour), NotAfter: now.AddDate(100, 0, 0),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, a.key.Public(), a.key)
	if err == nil {
		a.cert, err = x509.ParseCertificate(der)
	}
	if err != nil {
		return nil, fmt.Errorf("make the cluster's authority: %w", err)
	}
	a.pool.AddCert(a.cert)
	return a, nil
}

// issue makes a node's key and certificate.
func (a *authority) issue() (tls.Certificate, error) {
	public, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return tls.Certificate{}, fmt.Errorf("make the node's key: %w", err)
	}
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 120))
	if err != nil {
		return tls.Certificate{}, fmt.Errorf("make the node's certificate: %w", err)
	}
	leaf, err := x509.CreateCertificate(rand.Reader, &x509.Certificate{
		SerialNumber: serial, Subject: pkix.Name{CommonName: "holdfast node"}, DNSNames: []string{tlsName},
		NotBefore: a.cert.NotBefore, NotAfter: a.cert.NotAfter, KeyUsage: x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}, a.cert, public, a.key)
	if err != nil {
		return tls.Certificate{}, fmt.Errorf("make the node's certificate: %w", err)
	}
	return tls.Certificate{Certificate: [][]byte{leaf}, PrivateKey: private}, nil
}

// verify returns nil when the authority has signed the certificate.
func (a *authority) verify(cert *x509.Certificate) error {
	_, err := cert.Verify(x509.VerifyOptions{
		Roots: a.pool, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageAny}, DNSName: tlsName,
	})
	return err
}

// errUnstretched reports a node whose version derives its keys from the secret as
// it is. One is refused by the other, which only the newer can explain.
var errUnstretched = fmt.Errorf("%w: it is of cluster protocol 2 or before, this one talks %d; %s", ErrIncompatible, protocol, howToUpgrade)

// howToUpgrade says what to do about nodes of different protocols.
const howToUpgrade = "stop all nodes and start them with one version: they keep what they have stored"

// secretTLS is mutual TLS for the holders of the secret: the secret yields the
// key of an authority, each node makes itself a certificate of it at start, and
// both sides ask for one. There is nothing to roll out and nothing to expire.
func secretTLS(secret string) (*tls.Config, error) {
	current, err := stretch(secret).authority()
	if err != nil {
		return nil, err
	}
	before, err := unstretched(secret).authority()
	if err != nil {
		return nil, err
	}
	own, err := current.issue()
	if err != nil {
		return nil, err
	}
	return &tls.Config{
		MinVersion:   tls.VersionTLS13,
		Certificates: []tls.Certificate{own},
		RootCAs:      current.pool, ClientCAs: current.pool, ClientAuth: tls.RequireAnyClientCert,
		// The authority signs for nothing else, so it is the chain that counts, not
		// the address: nodes have many, and NATS would put one in ServerName.
		InsecureSkipVerify: true, //nolint:gosec // VerifyConnection does it
		VerifyConnection: func(s tls.ConnectionState) error {
			if len(s.PeerCertificates) == 0 {
				return errors.New("no certificate")
			}
			err := current.verify(s.PeerCertificates[0])
			if err != nil && before.verify(s.PeerCertificates[0]) == nil {
				return errUnstretched
			}
			return err
		},
	}, nil
}
