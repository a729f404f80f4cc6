package signature

import (
	"slices"
	"strings"
	"testing"
	"time"
)

// Schemes of further providers, in their shortest form.
const (
	twilioScheme = `signature:
  - {when: {query:bodySHA256: "*"}, algorithm: hmac-sha1, header: X-Twilio-Signature, encoding: base64, signed: ["{url}", "{url|port}"], require: {"{query:bodySHA256}": "{body|sha256|hex}"}}
  - {algorithm: hmac-sha1, header: X-Twilio-Signature, encoding: base64, signed: ["{url}{form|sortedkv}", "{url|port}{form|sortedkv}"]}`
	hubspotScheme = `signature:
  - {when: {header:X-HubSpot-Signature-Version: v1}, algorithm: digest-sha256, header: X-HubSpot-Signature, signed: "{secret}{body}"}
  - {when: {header:X-HubSpot-Signature-Version: v2}, algorithm: digest-sha256, header: X-HubSpot-Signature, signed: "{secret}{method}{url}{body}"}`
	sendgridScheme = "signature: {algorithm: ecdsa-sha256, header: X-Twilio-Email-Event-Webhook-Signature, key: spki-base64, signed: \"{ts}{body}\"}\n" +
		"timestamp: {header: X-Twilio-Email-Event-Webhook-Timestamp}"
	pusherScheme = "signature: {algorithm: hmac-sha256, header: X-Pusher-Signature, require: {\"{header:X-Pusher-Key}\": \"{var:key}\"}}\n" +
		"timestamp: {from: \"json:time_ms\", unit: ms}\nvars: {key: \"123456789\"}"
	adyenScheme = "items: true\nsignature: {algorithm: hmac-sha256, from: \"item:NotificationRequestItem.additionalData.hmacSignature\", encoding: base64, key: hex, " +
		"signed: \"{item:NotificationRequestItem.pspReference}:{item:NotificationRequestItem.originalReference?}:{item:NotificationRequestItem.merchantAccountCode}:" +
		"{item:NotificationRequestItem.merchantReference}:{item:NotificationRequestItem.amount.value}:{item:NotificationRequestItem.amount.currency}:" +
		"{item:NotificationRequestItem.eventCode}:{item:NotificationRequestItem.success}\"}"
)

const twilioForm = "CallSid=CA1234567890ABCDE&Caller=%2B14158675309&Digits=1234&From=%2B14158675309&To=%2B18005551212"

// TestPublishedVectorsAreAccepted holds the schemes against signatures that the providers themselves published.
func TestPublishedVectorsAreAccepted(t *testing.T) {
	t.Parallel()
	slackBody := "token=xyzz0WbapA4vBCDEFasx0q6G&team_id=T1DC2JH3J&team_domain=testteamnow&channel_id=G8PSS9T3V&channel_name=foobar&user_id=U2CERLKJA&user_name=roadrunner&command=%2Fwebhook-collect&text=&response_url=https%3A%2F%2Fhooks.slack.com%2Fcommands%2FT1DC2JH3J%2F397700885554%2F96rGlfmibIGlgcZRskXaIFfN&trigger_id=398738663015.47445629121.803a0bc887a14d10d2c447fce8b6703c"
	squareBody := `{"merchant_id":"MLEFBHHSJGVHD","type":"webhooks.test_notification","event_id":"ac3ac95b-f97d-458c-a6e6-18981597e05f","created_at":"2022-07-13T20:30:59.037339943Z","data":{"type":"webhooks","id":"bc368e64-01aa-407e-b46e-3231809b1129"}}`
	sendgridBody := `[{"email":"hello@world.com","event":"dropped","reason":"Bounced Address","sg_event_id":"ZHJvcC0xMDk5NDkxOS1MUnpYbF9OSFN0T0doUTRrb2ZTbV9BLTA","sg_message_id":"LRzXl_NHStOGhQ4kofSm_A.filterdrecv-p3mdw1-756b745b58-kmzbl-18-5F5FC76C-9.0","smtp-id":"<LRzXl_NHStOGhQ4kofSm_A@ismtpd0039p1iad1.sendgrid.net>","timestamp":1600112492}]` + "\r\n"
	hubspotV1 := `[{"eventId":1,"subscriptionId":12345,"portalId":62515,"occurredAt":1564113600000,"subscriptionType":"contact.creation","attemptNumber":0,"objectId":123,"changeSource":"CRM","changeFlag":"NEW","appId":54321}]`
	const hubspotSecret = "yyyyyyyy-yyyy-yyyy-yyyy-yyyyyyyyyyyy"
	adyenItem := `{"NotificationRequestItem":{"pspReference":"pspReference","originalReference":"originalReference","merchantAccountCode":"merchantAccount","merchantReference":"reference","amount":{"value":1000,"currency":"EUR"},"eventCode":"EVENT","success":"true","additionalData":{"hmacSignature":"ipnxGCaUZ4l8TUW75a71/ghd2Fe5ffvX0pV4TLTntIc="}}}`
	tests := []struct {
		name, scheme, secret, body string
		method, url, query, item   string
		at                         int64 // seconds
		headers                    []string
		form                       bool
	}{
		{
			name: "GitHub docs", scheme: githubScheme, secret: "It's a Secret to Everybody", body: "Hello, World!",
			headers: []string{"X-Hub-Signature-256", "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17"},
		},
		{
			name: "octokit", scheme: githubScheme, secret: "mysecret", body: `{"foo":"bar"}`,
			headers: []string{"X-Hub-Signature-256", "sha256=4864d2759938a15468b5df9ade20bf161da9b4f737ea61794142f3484236bda3"},
		},
		{
			name: "Slack docs", scheme: slackScheme, secret: "8f742231b10e8888abcd99yyyzzz85a5", body: slackBody, at: 1531420618,
			headers: []string{
				"X-Slack-Request-Timestamp", "1531420618",
				"X-Slack-Signature", "v0=a2114d57b48eac39b9ad189dd8316235a7b4a8d21a10bd27519666489c69b503",
			},
		},
		{
			name: "Standard Webhooks", scheme: standardScheme, secret: "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", body: `{"test": 2432232314}`, at: 1614265330,
			headers: []string{
				"Webhook-Id", "msg_p5jXN8AQM9LWM0D4loKWxJek", "Webhook-Timestamp", "1614265330",
				"Webhook-Signature", "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
			},
		},
		{
			name: "Twilio form", scheme: twilioScheme, secret: "12345", body: twilioForm, url: "https://mycompany.com/myapp.php?foo=1&bar=2", query: "foo=1&bar=2", form: true,
			headers: []string{"X-Twilio-Signature", "RSOYDt4T1cUTdK1PDd93/VVr8B8="},
		},
		{
			name: "Twilio form, signed with the port", scheme: twilioScheme, secret: "12345", body: twilioForm, url: "https://mycompany.com/myapp.php?foo=1&bar=2", query: "foo=1&bar=2", form: true,
			headers: []string{"X-Twilio-Signature", "kvajT1Ptam85bY51eRf/AJRuM3w="},
		},
		{
			name: "Twilio form, known with the port", scheme: twilioScheme, secret: "12345", body: twilioForm, url: "https://mycompany.com:443/myapp.php?foo=1&bar=2", query: "foo=1&bar=2", form: true,
			headers: []string{"X-Twilio-Signature", "RSOYDt4T1cUTdK1PDd93/VVr8B8="},
		},
		{
			name: "Twilio form over http", scheme: twilioScheme, secret: "12345", body: twilioForm, url: "http://mycompany.com/myapp.php?foo=1&bar=2", query: "foo=1&bar=2", form: true,
			headers: []string{"X-Twilio-Signature", "0ZXoZLH/DfblKGATFgpif+LLRf4="},
		},
		{
			name: "Twilio JSON", scheme: twilioScheme, secret: "12345", body: `{"property": "value", "boolean": true}`,
			url:     "https://mycompany.com/myapp.php?foo=1&bar=2&bodySHA256=0a1ff7634d9ab3b95db5c9a2dfe9416e41502b283a80c7cf19632632f96e6620",
			query:   "foo=1&bar=2&bodySHA256=0a1ff7634d9ab3b95db5c9a2dfe9416e41502b283a80c7cf19632632f96e6620",
			headers: []string{"X-Twilio-Signature", "a9nBmqA0ju/hNViExpshrM61xv4="},
		},
		{
			name: "HubSpot v1", scheme: hubspotScheme, secret: hubspotSecret, body: hubspotV1,
			headers: []string{"X-HubSpot-Signature-Version", "v1", "X-HubSpot-Signature", "232db2615f3d666fe21a8ec971ac7b5402d33b9a925784df3ca654d05f4817de"},
		},
		{
			name: "HubSpot v2 POST", scheme: hubspotScheme, secret: hubspotSecret, body: `{"example_field":"example_value"}`, url: "https://www.example.com/webhook_uri",
			headers: []string{"X-HubSpot-Signature-Version", "v2", "X-HubSpot-Signature", "9569219f8ba981ffa6f6f16aa0f48637d35d728c7e4d93d0d52efaa512af7900"},
		},
		{
			name: "HubSpot v2 GET", scheme: hubspotScheme, secret: hubspotSecret, method: "GET", url: "https://www.example.com/webhook_uri",
			headers: []string{"X-HubSpot-Signature-Version", "v2", "X-HubSpot-Signature", "eee2dddcc73c94d699f5e395f4b9d454a069a6855fbfa152e91e88823087200e"},
		},
		{
			name: "SendGrid", scheme: sendgridScheme, body: sendgridBody, at: 1600112502,
			secret: "MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAE83T4O/n84iotIvIW4mdBgQ/7dAfSmpqIM8kF9mN1flpVKS3GRqe62gw+2fNNRaINXvVpiglSI8eNEc6wEA3F+g==",
			headers: []string{
				"X-Twilio-Email-Event-Webhook-Timestamp", "1600112502",
				"X-Twilio-Email-Event-Webhook-Signature", "MEUCIGHQVtGj+Y3LkG9fLcxf3qfI10QysgDWmMOVmxG0u6ZUAiEAyBiXDWzM+uOe5W0JuG+luQAbPIqHh89M15TluLtEZtM=",
			},
		},
		{
			name: "Shopify", scheme: shopifyScheme, secret: "test_secret_key", body: `{"foo": "bar"}`,
			headers: []string{"X-Shopify-Hmac-Sha256", "B23tXN681gZ0qIWNRrgtzBE9XSDo5yaUu6wfmhu3a7g="},
		},
		{
			name: "Square 1", scheme: squareScheme, secret: "Ibxx_5AKakO-3qeNVR61Dw", body: squareBody, url: "https://webhook.site/679a4f3a-dcfa-49ee-bac5-9d0edad886b9",
			headers: []string{"X-Square-Hmacsha256-Signature", "GF4YkrJgGBDZ9NIYbNXBnMzqb2HoL4RW/S6vkZ9/2N4="},
		},
		{
			name: "Square 2", scheme: squareScheme, secret: "signature-key", body: `{"data":{"type":"webhooks","id":"fake_id"}}`, url: "https://webhook.site/webhooks",
			headers: []string{"X-Square-Hmacsha256-Signature", "W3FlCNk5IA3ZQ2LHTWoajvzfaDu/OwY2tNHIHC3IUOA="},
		},
		{
			name: "Paddle", scheme: paddleScheme, secret: "VALID_SECRET", body: `{"data": ["1", "2"]}`, at: 1698796800,
			headers: []string{"Paddle-Signature", "ts=1698796800;h1=a300428748dce5c70e4da19bffd60769591ea969c99dea3105d0ec9612cf43f9"},
		},
		{
			name: "Adyen", scheme: adyenScheme, secret: "DFB1EB5485895CFA84146406857104ABB4CBCABDC8AAF103A624C8F6A3EAAB00", item: adyenItem,
		},
		{
			name: "CircleCI 1", scheme: circleScheme, secret: "secret", body: "hello world",
			headers: []string{"circleci-signature", "v1=734cc62f32841568f45715aeb9f4d7891324e6d948e4c6c60c0621cdac48623a"},
		},
		{
			name: "CircleCI 2", scheme: circleScheme, secret: "another-secret", body: "lalala",
			headers: []string{"circleci-signature", "v1=daa220016c8f29a8b214fbfc3671aeec2145cfb1e6790184ffb38b6d0425fa00"},
		},
		{
			name: "CircleCI 3", scheme: circleScheme, secret: "hunter123", body: "an-important-request-payload",
			headers: []string{"circleci-signature", "v2=ignored,v1=9be2242094a9a8c00c64306f382a7f9d691de910b4a266f67bd314ef18ac49fa"},
		},
		{
			name: "LINE", scheme: `signature: {algorithm: hmac-sha256, header: X-Line-Signature, encoding: base64}`, secret: "test_secret", body: `{"hello":"world"}`,
			headers: []string{"X-Line-Signature", "t7Hn4ZDHqs6e+wdvI5TyQIvzie0DmMUmuXEBqyyE/tM="},
		},
		{
			name: "Pusher", scheme: pusherScheme, secret: "tofu", at: 1403175510, body: `{"time_ms":1403175510755,"events":[{"channel":"test_channel","name":"channel_vacated"}]}`,
			headers: []string{"X-Pusher-Key", "123456789", "X-Pusher-Signature", "c17257e92037cd7de407ebc1ed174ceb7b2e518db127f44411b9ffc4f5b28cc5"},
		},
		{
			name: "Razorpay", scheme: `signature: {algorithm: hmac-sha256, header: X-Razorpay-Signature}`, secret: "123456", body: `{"a":1,"b":2,"c":{"d":3}}`,
			headers: []string{"X-Razorpay-Signature", "2fe04e22977002e6c7cb553adab8b460cb9e2a4970d5953cb27a8472752e3bbc"},
		},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			s := scheme(t, test.scheme, test.secret)
			r := request(test.body, test.headers...)
			r.URL, r.Query, r.Form = test.url, test.query, test.form
			if test.method != "" {
				r.Method = test.method
			}
			if test.at != 0 {
				r.Now = time.Unix(test.at, 0)
			}
			if test.item != "" {
				r.Item = []byte(test.item)
			}
			if _, refusal := s.Verify(t.Context(), r); refusal != nil {
				t.Fatalf("got %s (%s), want it accepted", refusal.Class, refusal.Detail)
			}
			other := *r
			other.Body, other.Item = append(slices.Clone(r.Body), ' '), []byte(strings.Replace(test.item, `"reference"`, `"other"`, 1))
			if got := class(s, &other); got != "invalid_signature" {
				t.Errorf("with another body got %s, want invalid_signature", got)
			}
			if test.name == "SendGrid" {
				return // there is no other key of the same form at hand
			}
			if got := class(scheme(t, test.scheme, flip(test.secret)), r); got != "invalid_signature" {
				t.Errorf("with another secret got %s, want invalid_signature", got)
			}
		})
	}
}

// flip gives another secret of the same form.
func flip(secret string) string {
	last := secret[len(secret)-1]
	if strings.ContainsRune("0", rune(last)) {
		return secret[:len(secret)-1] + "1"
	}
	return secret[:len(secret)-2] + "00"
}

func TestAKeyOfAVectorIsNotTheOnlyThingThatCounts(t *testing.T) {
	t.Parallel()
	s := scheme(t, pusherScheme, "tofu")
	r := request(`{"time_ms":1403175510755,"events":[{"channel":"test_channel","name":"channel_vacated"}]}`,
		"X-Pusher-Key", "987654321", "X-Pusher-Signature", "c17257e92037cd7de407ebc1ed174ceb7b2e518db127f44411b9ffc4f5b28cc5")
	r.Now = time.Unix(1403175510, 0)
	if _, refusal := s.Verify(t.Context(), r); refusal == nil || refusal.Class != InvalidSignature || !strings.Contains(refusal.Detail, "`require` does not: {header:X-Pusher-Key} is not {var:key}") {
		t.Errorf("another application's key: got %+v, want invalid_signature that names the requirement", refusal)
	}
}
