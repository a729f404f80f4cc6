package main

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"strconv"
	"strings"
)

// bodyOf makes the body of a letter. It follows from the delivery id and the size alone, and holds a checksum of both, so that
// a receiver can tell a body that was altered without being told anything. Beside the padding the id stands in it again and again, so that its pages can be found in a file.
func bodyOf(delivery string, size int) []byte {
	var b bytes.Buffer
	sum := sha256.Sum256(fmt.Appendf(nil, "%s %d", delivery, size))
	fmt.Fprintf(&b, `{"id":%q,"size":%d,"sum":"%x","text":"`, delivery, size, sum[:8])
	rng := rand.New(rand.NewChaCha8(sum))
	for n := 0; n < size; n += padBytes {
		b.WriteString(mark(delivery))
		for range padBytes - len(mark(delivery)) {
			b.WriteByte("abcdefghijklmnopqrstuvwxyz0123456789"[rng.IntN(36)])
		}
	}
	b.WriteString(`"}`)
	return b.Bytes()
}

// padBytes is how often the mark comes again in a body.
const padBytes = 256

// mark is what is written again and again into a body.
func mark(delivery string) string { return "<" + delivery + ">" }

// read takes a body apart; ok says whether it is exactly what was sent.
func read(body []byte) (delivery string, ok bool) {
	var doc struct {
		ID   string `json:"id"`
		Size int    `json:"size"`
	}
	if err := json.Unmarshal(body, &doc); err != nil || doc.Size < 0 || doc.Size > 64<<20 {
		return "", false
	}
	return doc.ID, bytes.Equal(body, bodyOf(doc.ID, doc.Size))
}

func signature(body []byte) string {
	mac := hmac.New(sha256.New, []byte(secretText))
	mac.Write(body)
	return hex.EncodeToString(mac.Sum(nil))
}

// requestOf makes the signed request of a letter.
func requestOf(ctx context.Context, address string, l *letter) (*http.Request, error) {
	body := bodyOf(l.delivery, l.size)
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://"+address+"/webhooks/torture", bytes.NewReader(body))
	if err != nil {
		return nil, fmt.Errorf("making a request: %w", err)
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("X-Event", l.event)
	req.Header.Set("X-Delivery", l.delivery)
	req.Header.Set("X-Signature", signature(body))
	return req, nil
}

// answer is what a sender was told.
type answer struct {
	code      int
	status    string // processed or duplicate
	id        string // the event's
	requestID string
}

// post sends a letter once. The error says that no whole answer was read.
func post(ctx context.Context, client *http.Client, address string, l *letter) (answer, error) {
	req, err := requestOf(ctx, address, l)
	if err != nil {
		return answer{}, err
	}
	resp, err := client.Do(req)
	if err != nil {
		return answer{}, fmt.Errorf("sending %s: %w", l.delivery, err)
	}
	defer resp.Body.Close()
	data, err := io.ReadAll(resp.Body)
	if err != nil {
		return answer{}, fmt.Errorf("reading the answer to %s: %w", l.delivery, err)
	}
	a := answer{code: resp.StatusCode, requestID: resp.Header.Get("X-Request-Id")}
	if resp.StatusCode != http.StatusOK {
		return a, nil
	}
	var doc struct {
		Status      string `json:"status"`
		ExecutionID string `json:"execution_id"`
	}
	if err := json.Unmarshal(data, &doc); err != nil {
		return answer{}, fmt.Errorf("reading the answer %s to %s: %w", strconv.Quote(string(data)), l.delivery, err)
	}
	a.status, a.id = doc.Status, strings.TrimPrefix(doc.ExecutionID, "webhook-torture-")
	return a, nil
}
