package ingress

import (
	"math/rand/v2"
	"time"
)

// idDigits is Crockford's base 32 in lower case: it sorts as it counts, and no two digits look the same.
const idDigits = "0123456789abcdefghjkmnpqrstvwxyz"

// newRequestID makes an id of 16 characters that sorts by time: 9 of milliseconds and 7 of chance. It is a name, not a secret.
func newRequestID(at time.Time) string {
	var b [16]byte
	ms, chance := uint64(at.UnixMilli()), rand.Uint64()
	for i := 8; i >= 0; i-- {
		b[i] = idDigits[ms&31]
		ms >>= 5
	}
	for i := 9; i < len(b); i++ {
		b[i] = idDigits[chance&31]
		chance >>= 5
	}
	return string(b[:])
}
