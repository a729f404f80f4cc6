package ingress

import (
	"encoding/json"
	"net/http"
	"strconv"

	"github.com/headgate/headgate/engine/event"
	"github.com/headgate/headgate/engine/provider"
)

// again is what became of the parked runs of events that came again: how many there were, and how many were opened.
type again struct{ parked, retried int }

// stored answers for what is on disk. Code is 200, or 202 where a run may still be about to answer. Events is how many a batch held, -1 for
// a request that is no batch.
func (x *exchange) stored(code int, status, providerName, name string, id event.ID, events int, came again) {
	buf := x.buffers.Get().(*[]byte)
	b := append((*buf)[:0], `{"status":"`...)
	b = append(b, status...)
	b = append(b, `","provider":`...)
	b = appendJSON(b, providerName)
	b = append(b, `,"event":`...)
	if name == "" {
		b = append(b, "null"...)
	} else {
		b = appendJSON(b, name)
	}
	b = append(b, `,"execution_id":`...)
	b = appendJSON(b, event.ExecutionID(providerName, id))
	if events >= 0 {
		b = append(b, `,"events":`...)
		b = strconv.AppendInt(b, int64(events), 10)
	}
	if came.parked > 0 {
		b = append(b, `,"parked":`...)
		b = strconv.AppendInt(b, int64(came.parked), 10)
	}
	if came.retried > 0 {
		b = append(b, `,"retried":`...)
		b = strconv.AppendInt(b, int64(came.retried), 10)
	}
	b = append(b, '}')
	x.write(code, x.jsonType, status, b)
	*buf = b
	x.buffers.Put(buf)
}

// refuse answers with the class of an error and nothing finer.
func (x *exchange) refuse(status int, code, message string) {
	buf := x.buffers.Get().(*[]byte)
	b := append((*buf)[:0], `{"error":{"code":`...)
	b = appendJSON(b, code)
	b = append(b, `,"message":`...)
	b = appendJSON(b, message)
	b = append(b, `,"request_id":`...)
	b = appendJSON(b, x.id)
	b = append(b, "}}"...)
	x.write(status, x.jsonType, code, b)
	*buf = b
	x.buffers.Put(buf)
}

// reply answers as the provider wants it.
func (x *exchange) reply(r *provider.Reply, answer string) {
	var contentType []string
	if r.Type != "" {
		contentType = []string{r.Type}
	}
	h := x.w.Header()
	for _, extra := range r.Header {
		h[extra.Name] = append(h[extra.Name], extra.Value)
	}
	x.write(r.Status, contentType, answer, r.Body)
}

// info answers the question whether a provider is set up.
func (x *exchange) info(p *provider.Provider) {
	b, err := json.Marshal(p.Info())
	if err != nil {
		panic(err) // a struct of strings and bools
	}
	x.write(http.StatusOK, x.jsonType, "test", b)
}

func (x *exchange) write(status int, contentType []string, answer string, body []byte) {
	x.answer = answer
	h := x.w.Header()
	h["X-Request-Id"] = []string{x.id}
	h["X-Content-Type-Options"] = x.nosniff
	if contentType != nil {
		h["Content-Type"] = contentType
	}
	if x.early {
		h["Content-Length"] = []string{strconv.Itoa(len(body))}
	}
	x.w.WriteHeader(status)
	if len(body) > 0 {
		_, _ = x.w.Write(body) // the sender has gone; it will ask again
	}
	if x.early {
		_ = http.NewResponseController(x.w).Flush() // what cannot flush answers when the handler is done
	}
}

// appendJSON appends a JSON string.
func appendJSON(b []byte, s string) []byte {
	for i := range len(s) {
		if c := s[i]; c < ' ' || c >= 0x7f || c == '"' || c == '\\' || c == '<' || c == '>' || c == '&' {
			quoted, err := json.Marshal(s)
			if err != nil {
				panic(err) // a string has a JSON form
			}
			return append(b, quoted...)
		}
	}
	b = append(b, '"')
	b = append(b, s...)
	return append(b, '"')
}
