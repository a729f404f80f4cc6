package payload

import (
	"encoding/json"
	"strconv"
	"strings"
)

// Number gives the value of a JSON number's text as [Decode] does: an int64, a float64 or a json.Number. Text that is no JSON
// number comes back as a json.Number, which [Encode] refuses.
func Number(text string) any {
	if !strings.ContainsAny(text, ".eE") && text != "-0" {
		if n, err := strconv.ParseInt(text, 10, 64); err == nil {
			return n
		}
	}
	f, err := strconv.ParseFloat(text, 64)
	if err != nil || decimal(text) != decimal(strconv.FormatFloat(f, 'e', -1, 64)) {
		return json.Number(text)
	}
	return f
}

// decimal is a number's value in one form: sign, digits without zeros at either end, and the power of ten of the last digit.
// Numbers with exponents beyond nine digits, which no float64 has, get a form of their own.
func decimal(text string) string {
	mantissa, exponent, _ := strings.Cut(strings.ToLower(text), "e")
	sign := ""
	if strings.HasPrefix(mantissa, "-") {
		sign, mantissa = "-", mantissa[1:]
	}
	whole, fraction, _ := strings.Cut(mantissa, ".")
	digits := strings.TrimLeft(whole+fraction, "0")
	power := -len(fraction)
	if exponent != "" {
		n, err := strconv.ParseInt(exponent, 10, 32)
		if err != nil {
			return text
		}
		power += int(n)
	}
	short := strings.TrimRight(digits, "0")
	if short == "" {
		return sign + "0"
	}
	return sign + short + "e" + strconv.Itoa(power+len(digits)-len(short))
}
