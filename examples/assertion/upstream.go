// An application behind a proxy that asks cashsouk-auth. It believes what the header x-auth-assertion proves.
//
//	AUTH_URL=https://auth.example.com go run upstream.go
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"log"
	"net"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/MicahParks/keyfunc/v3"
	"github.com/golang-jwt/jwt/v5"
)

// check says who is signed in. It fails unless the assertion is by authURL, for audience, and holds.
func check(keys keyfunc.Keyfunc, assertion, authURL, audience string) (jwt.MapClaims, error) {
	claims := jwt.MapClaims{}
	_, err := jwt.ParseWithClaims(assertion, claims, keys.Keyfunc,
		jwt.WithValidMethods([]string{"ES256"}), jwt.WithIssuer(authURL), jwt.WithAudience(audience),
		jwt.WithExpirationRequired(), jwt.WithIssuedAt(), jwt.WithLeeway(10*time.Second))
	return claims, err
}

func main() {
	authURL, audience, port := os.Getenv("AUTH_URL"), os.Getenv("AUDIENCE"), os.Getenv("PORT")
	if audience == "" {
		audience = authURL
	}
	if port == "" {
		port = "8000"
	}
	keys, err := keyfunc.NewDefaultCtx(context.Background(), []string{authURL + "/.well-known/jwks.json"})
	if err != nil {
		log.Fatal(err)
	}
	http.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		assertion := strings.Join(r.Header.Values("x-auth-assertion"), ", ")
		claims, err := check(keys, assertion, authURL, audience)
		if err != nil {
			http.Error(w, "Sign in first", http.StatusUnauthorized)
			return
		}
		w.Header().Set("content-type", "application/json")
		_ = json.NewEncoder(w).Encode(claims)
	})
	listener, err := net.Listen("tcp", "127.0.0.1:"+port)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Printf("http://%s\n", listener.Addr())
	log.Fatal(http.Serve(listener, nil))
}
