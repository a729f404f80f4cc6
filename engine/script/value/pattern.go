package value

import (
	"fmt"
	"regexp"
	"regexp/syntax"
)

// Pattern is a compiled regular expression (RE2 syntax) that knows how much text it may be held against. It may be used by many
// goroutines at once.
type Pattern struct {
	re  *regexp.Regexp
	max int
}

// A pattern's cost is its instructions times the bytes of the text: about 10 ns each at worst, so 8 million stay below MaxTime.
const (
	maxPatternCost  = 8 << 20
	maxInstructions = 4000
)

// CompilePattern compiles a pattern that an expression states. Patterns that a value could choose are not offered.
func CompilePattern(text string) (*Pattern, error) {
	parsed, err := syntax.Parse(text, syntax.Perl)
	if err != nil {
		return nil, err
	}
	program, err := syntax.Compile(parsed.Simplify())
	if err != nil {
		return nil, err
	}
	if n := len(program.Inst); n > maxInstructions {
		return nil, fmt.Errorf("the pattern has %d instructions, more than %d: its repetitions are too large", n, maxInstructions)
	}
	re, err := regexp.Compile(text)
	if err != nil {
		return nil, err
	}
	return &Pattern{re: re, max: min(MaxMatchBytes, maxPatternCost/len(program.Inst))}, nil
}

// Match says whether the pattern occurs in a text. A test of null is false.
func (p *Pattern) Match(b *Budget, s *Site, v any) (bool, error) {
	if v == nil {
		return false, nil
	}
	t, ok := v.(string)
	if !ok {
		return false, s.wrong(0, v, "a string")
	}
	if len(t) > p.max {
		return false, Errorf(TooLarge, "%s has %d bytes, more than the %d that this pattern is held against", s.operand(0), len(t), p.max)
	}
	if err := b.Scan(len(t), bytesMatched); err != nil {
		return false, err
	}
	return p.re.MatchString(t), nil
}
