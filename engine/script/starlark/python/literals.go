package python

import (
	"math/big"
	"strconv"
	"strings"

	"go.starlark.net/syntax"
)

func (p *parser) number() syntax.Expr {
	from, to := p.tok.from, p.tok.to
	text := p.tok.text
	digits := strings.ReplaceAll(text, "_", "")
	lit := &syntax.Literal{TokenPos: p.pos(from), Raw: text}
	p.next()
	prefixed := len(digits) > 1 && digits[0] == '0' && strings.IndexByte("xXbBoO", digits[1]) >= 0
	if n, ok := new(big.Int).SetString(digits, 0); ok && (prefixed || len(digits) == 1 || digits[0] != '0') {
		lit.Token, lit.Value = syntax.INT, n
		if n.IsInt64() {
			lit.Value = n.Int64()
		}
		return lit
	}
	if strings.Trim(digits, "0") == "" {
		lit.Token, lit.Value = syntax.INT, int64(0)
		return lit
	}
	if f, err := strconv.ParseFloat(digits, 64); err == nil && !prefixed && strings.ContainsAny(digits, ".eE") {
		lit.Token, lit.Value = syntax.FLOAT, f
		return lit
	}
	p.fail(from, to, "", "`%s` is no number here", text)
	return nil
}

// strings reads one text, or several that stand beside each other and are one.
func (p *parser) strings() syntax.Expr {
	from, to := p.tok.from, p.tok.to
	var pieces []syntax.Expr
	plain, isPlain := "", true
	for p.tok.kind == str {
		if p.tok.parts == nil {
			plain += p.tok.text
			pieces = append(pieces, p.textLiteral(p.tok.text, p.tok.from, p.tok.to))
		} else {
			isPlain = false
			pieces = append(pieces, p.formatted(p.tok.parts)...)
		}
		to = p.tok.to
		p.next()
	}
	if isPlain {
		return p.textLiteral(plain, from, to)
	}
	return p.call("$join", from, to, pieces...)
}

// formatted gives the pieces of an f-string, each of which is text when it is evaluated.
func (p *parser) formatted(parts []part) []syntax.Expr {
	var out []syntax.Expr
	for _, part := range parts {
		if !part.isExpr {
			out = append(out, &syntax.Literal{Token: syntax.STRING, TokenPos: p.pos(p.tok.from), Raw: `""`, Value: part.text})
			continue
		}
		if part.debug != "" {
			out = append(out, &syntax.Literal{Token: syntax.STRING, TokenPos: p.pos(part.from), Raw: `""`, Value: part.debug})
		}
		var spec syntax.Expr = &syntax.Literal{Token: syntax.STRING, TokenPos: p.pos(part.from), Raw: `""`, Value: ""}
		if len(part.spec) > 0 {
			spec = p.call("$join", part.to, part.to+1, p.formatted(part.spec)...)
		}
		conversion := &syntax.Literal{Token: syntax.STRING, TokenPos: p.pos(part.from), Raw: `""`, Value: part.conversion}
		out = append(out, p.call("$format", part.from, part.to, p.inner(part.from, part.to), spec, conversion))
	}
	return out
}

// inner reads an expression of an f-string.
func (p *parser) inner(from, to int) syntax.Expr {
	p.enter()
	defer p.leave()
	outer, tok, behind := p.lexer, p.tok, p.behind
	p.lexer = newLexer(p.text, from, to, p.fail)
	p.lexer.flat = true
	p.next()
	x := p.exprList()
	if p.tok.kind != end {
		p.unexpected("")
	}
	p.lexer, p.tok, p.behind = outer, tok, behind
	return x
}
