package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"os"
	"path/filepath"
)

// serviceKey makes the key that tokens of service accounts are signed with, once.
func serviceKey(dir string) string {
	path := filepath.Join(dir, "service-accounts.pem")
	if _, err := os.Stat(path); err == nil {
		return path
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	check(err)
	bytes, err := x509.MarshalECPrivateKey(key)
	check(err)
	check(os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: bytes}), 0o600))
	return path
}
