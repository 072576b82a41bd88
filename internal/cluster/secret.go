// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package cluster

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/ed25519"
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/hex"
	"errors"
	"fmt"
	"math/big"
	"net/url"
	"time"
)

// derive returns n bytes for one purpose; they tell nothing about the secret,
// provided that it cannot be guessed.
func derive(secret, purpose string, n int) []byte {
	key, err := hkdf.Key(sha256.New, []byte(secret), nil, "holdfast "+purpose, n)
	if err != nil {
		panic(err) // the lengths are constants
	}
	return key
}

// routePassword is what nodes show each other; without TLS it crosses the
// network as it is, so it is not the secret itself.
func routePassword(secret string) string {
	return hex.EncodeToString(derive(secret, "route password", 24))
}

// routeUser is the name that goes with it.
const routeUser = "holdfast"

// secretTLS is mutual TLS for the holders of the secret: the secret yields the
// key of an authority, each node makes itself a certificate of it at start, and
// both sides ask for one. There is nothing to roll out and nothing to expire.
func secretTLS(secret string) (*tls.Config, error) {
	authorityKey := ed25519.NewKeyFromSeed(derive(secret, "certificate authority", ed25519.SeedSize))
	now := time.Now()
	authority := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "holdfast cluster"},
		NotBefore: now.Add(-24 * time.Hour), NotAfter: now.AddDate(100, 0, 0),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	root, err := x509.CreateCertificate(rand.Reader, authority, authority, authorityKey.Public(), authorityKey)
	if err != nil {
		return nil, fmt.Errorf("make the cluster's authority: %w", err)
	}
	parsed, err := x509.ParseCertificate(root)
	if err != nil {
		return nil, fmt.Errorf("make the cluster's authority: %w", err)
	}
	public, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("make the node's key: %w", err)
	}
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 120))
	if err != nil {
		return nil, fmt.Errorf("make the node's certificate: %w", err)
	}
	leaf, err := x509.CreateCertificate(rand.Reader, &x509.Certificate{
		SerialNumber: serial, Subject: pkix.Name{CommonName: "holdfast node"}, DNSNames: []string{tlsName},
		NotBefore: authority.NotBefore, NotAfter: authority.NotAfter, KeyUsage: x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}, parsed, public, authorityKey)
	if err != nil {
		return nil, fmt.Errorf("make the node's certificate: %w", err)
	}
	pool := x509.NewCertPool()
	pool.AddCert(parsed)
	return &tls.Config{
		MinVersion:   tls.VersionTLS13,
		Certificates: []tls.Certificate{{Certificate: [][]byte{leaf}, PrivateKey: private}},
		RootCAs:      pool, ClientCAs: pool, ClientAuth: tls.RequireAndVerifyClientCert,
		// The authority signs for nothing else, so it is the chain that counts, not
		// the address: nodes have many, and NATS would put one in ServerName.
		InsecureSkipVerify: true,
		VerifyConnection: func(s tls.ConnectionState) error {
			if len(s.PeerCertificates) == 0 {
				return errors.New("no certificate")
			}
			_, err := s.PeerCertificates[0].Verify(x509.VerifyOptions{
				Roots: pool, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageAny}, DNSName: tlsName,
			})
			return err
		},
	}, nil
}

// tlsName is in each node's certificate.
const tlsName = "node.holdfast.internal"

// wrapper encrypts what is stored of the key ring. Nil stores it as it is, as in
// the directory of a single node, which only its user can read.
func wrapper(secret string) (cipher.AEAD, error) {
	if secret == "" {
		return nil, nil
	}
	block, err := aes.NewCipher(derive(secret, "key ring", 32))
	if err != nil {
		return nil, err
	}
	return cipher.NewGCMWithRandomNonce(block)
}

func userInfo(secret string) *url.Userinfo { return url.UserPassword(routeUser, routePassword(secret)) }
