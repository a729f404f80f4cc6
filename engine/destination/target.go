package destination

import (
	"fmt"
	"maps"
	"net/url"
	"slices"

	"github.com/headgate/headgate/engine/secret"
	"github.com/headgate/headgate/hooks"
)

// Target is where a template sends to: what a subscriber brings.
type Target struct {
	// Gate binds the tasks of the target together, and names it in records.
	Gate string
	// URL is taken as it is, without templates.
	URL secret.Value
	// Headers stand in front of those of the template.
	Headers map[string]secret.Value
	// Secrets take the place of the template's, the current one first; none leaves those.
	Secrets []secret.Value
}

// WithTarget gives the destination with another address, further headers and other secrets. d is not changed; what the two have in
// common they share. The error says what is wrong with the target and quotes nothing of it.
func (d *Destination) WithTarget(t Target) (*Destination, error) {
	with := *d
	with.Gate, with.line = t.Gate, d.method+" "+t.Gate
	raw := t.URL.Reveal()
	if err := checkTarget(raw); err != nil {
		return nil, err
	}
	with.address = &address{parts: []part{{text: raw}}}
	with.secrets = slices.Concat(addressSecrets(t.URL), d.secrets[d.addressed:])
	with.addressed = len(with.secrets) - len(d.secrets[d.addressed:])

	if err := with.setHeaders(d.headers, t.Headers); err != nil {
		return nil, err
	}
	if err := with.setSecrets(t.Secrets); err != nil {
		return nil, err
	}
	with.scrubber = secret.NewScrubber(with.secrets...)
	return &with, nil
}

func checkTarget(raw string) error {
	if err := hooks.CheckURL(raw); err != nil {
		return fmt.Errorf("reading the URL: %w", err)
	}
	u, err := url.Parse(raw)
	if err != nil || u.User != nil {
		return fmt.Errorf("reading the URL: it holds a user or a password")
	}
	return nil
}

// setHeaders lays a target's headers over those of the template.
func (d *Destination) setHeaders(own []header, over map[string]secret.Value) error {
	d.headers = slices.Clone(own)
	for _, written := range slices.Sorted(maps.Keys(over)) {
		name, value := canonical(written), over[written].Reveal()
		switch {
		case hooks.CheckHeader(written, "") != nil:
			return fmt.Errorf("reading the headers: one has a name that HTTP does not allow")
		case hooks.CheckHeader(name, value) != nil:
			return fmt.Errorf("reading the headers: the value of %s holds control characters", name)
		case isReserved(name), d.sign != nil && d.sign.header == name:
			return fmt.Errorf("reading the headers: %s is set by Headgate itself", name)
		}
		d.headers = slices.DeleteFunc(d.headers, func(h header) bool { return h.name == name })
		d.headers = append(d.headers, header{name: name, value: value})
		d.secrets = append(d.secrets, secret.New(value))
	}
	return nil
}

func (d *Destination) setSecrets(secrets []secret.Value) error {
	if len(secrets) == 0 {
		return nil
	}
	if len(secrets) > maxSecrets {
		return fmt.Errorf("there are more than %d secrets", maxSecrets)
	}
	d.secrets = append(d.secrets, secrets...)
	if d.kind.member != "" {
		d.member = secrets[0]
	}
	if d.sign == nil {
		return nil
	}
	signed, err := d.sign.withSecrets(secrets)
	if err != nil {
		return fmt.Errorf("signing with the target's secret: %w", err)
	}
	d.sign = signed
	return nil
}
