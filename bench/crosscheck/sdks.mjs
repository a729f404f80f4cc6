// The official SDKs, each behind two functions:
//
//   sign(r)    what the SDK itself would send: {headers, query?, body?}; Headgate must accept it
//   verify(r)  whether the SDK believes what Headgate signed; false or a thrown error is a refusal
//
// r is {method, url, query, headers (lower case), body (Buffer), text, secret, vars, now (Date), privateKey, publicKey (PEM), spki (base64),
// raw (Buffer, the bare Ed25519 key), certificate (PEM)}.
//
// vars are the operator's variables; secret is given where the SDK needs one of its own form; flip says what is changed to see a refusal
// (the body where nothing is said); weak says why the body is not what is changed.

import { createRequire } from 'node:module'
import { createHash, createSecretKey } from 'node:crypto'
import { PassThrough } from 'node:stream'
import https from 'node:https'

const require = createRequire(import.meta.url)
const seconds = (d) => Math.floor(d.getTime() / 1000)
const params = (text) => Object.fromEntries(new URLSearchParams(text))

// standard checks with the library that most Standard Webhooks senders use, or with an SDK's own call.
const standardHeaders = (r, prefix = 'webhook') => ({
  [`${prefix}-id`]: r.headers[`${prefix}-id`],
  [`${prefix}-timestamp`]: r.headers[`${prefix}-timestamp`],
  [`${prefix}-signature`]: r.headers[`${prefix}-signature`],
})

function signStandard(Webhook, prefix) {
  return (r) => {
    const id = 'msg_2Lh9KRb0pzN4LePd3XiA4v12Axj'
    return {
      headers: {
        'content-type': 'application/json',
        [`${prefix}-id`]: id,
        [`${prefix}-timestamp`]: String(seconds(r.now)),
        [`${prefix}-signature`]: new Webhook(r.secret).sign(id, r.now, r.text),
      },
    }
  }
}

// withCertificate answers every https.get with a certificate, for SDKs that fetch it themselves.
async function withCertificate(pem, run) {
  const real = https.get
  https.get = (_url, options, callback) => {
    const answer = new PassThrough()
    answer.statusCode = 200
    ;(callback ?? options)(answer)
    answer.end(pem)
    return { on() { return this } }
  }
  try {
    return await run()
  } finally {
    https.get = real
  }
}

export const sdks = [
  {
    provider: 'stripe', sdk: 'stripe', secret: 'whsec_test_9f8e7d6c5b4a',
    sign: async (r) => {
      const Stripe = require('stripe')
      const header = new Stripe('sk_test_x').webhooks.generateTestHeaderString({ payload: r.text, secret: r.secret, timestamp: seconds(r.now) })
      return { headers: { 'content-type': 'application/json', 'stripe-signature': header } }
    },
    verify: (r) => {
      const Stripe = require('stripe')
      return !!new Stripe('sk_test_x').webhooks.constructEvent(r.body, r.headers['stripe-signature'], r.secret)
    },
  },
  {
    provider: 'github', sdk: '@octokit/webhooks-methods', event: 'push',
    sign: async (r) => {
      const { sign } = await import('@octokit/webhooks-methods')
      return {
        headers: { 'content-type': 'application/json', 'x-github-event': 'push', 'x-github-delivery': '72d3162e-cc78-11e3-81ab-4c9367dc0958', 'x-hub-signature-256': await sign(r.secret, r.text) },
      }
    },
    verify: async (r) => (await import('@octokit/webhooks-methods')).verify(r.secret, r.text, r.headers['x-hub-signature-256']),
  },
  {
    provider: 'standard-webhooks', sdk: 'standardwebhooks',
    sign: (r) => signStandard(require('standardwebhooks').Webhook, 'webhook')(r),
    verify: (r) => !!new (require('standardwebhooks').Webhook)(r.secret).verify(r.text, standardHeaders(r)),
  },
  {
    provider: 'svix', sdk: 'svix',
    sign: (r) => signStandard(require('svix').Webhook, 'svix')(r),
    verify: (r) => !!new (require('svix').Webhook)(r.secret).verify(r.text, standardHeaders(r, 'svix')),
  },
  {
    provider: 'clerk', sdk: '@clerk/backend',
    verify: async (r) => {
      const { verifyWebhook } = await import('@clerk/backend/webhooks')
      return !!(await verifyWebhook(new Request('https://hooks.example.com/x', { method: 'POST', headers: r.headers, body: r.text }), { signingSecret: r.secret }))
    },
  },
  {
    provider: 'resend', sdk: 'resend',
    verify: async (r) => {
      const { Resend } = await import('resend')
      const headers = { id: r.headers['svix-id'], timestamp: r.headers['svix-timestamp'], signature: r.headers['svix-signature'] }
      return !!new Resend('re_x').webhooks.verify({ payload: r.text, headers, webhookSecret: r.secret })
    },
  },
  {
    provider: 'openai', sdk: 'openai',
    verify: async (r) => {
      const OpenAI = (await import('openai')).default
      await new OpenAI({ apiKey: 'k' }).webhooks.verifySignature(r.text, r.headers, r.secret)
      return true
    },
  },
  {
    provider: 'replicate', sdk: 'replicate',
    verify: async (r) => {
      const { validateWebhook } = (await import('replicate')).default
      const h = standardHeaders(r)
      return validateWebhook({ id: h['webhook-id'], timestamp: h['webhook-timestamp'], signature: h['webhook-signature'], body: r.text, secret: r.secret })
    },
  },
  {
    provider: 'lithic', sdk: 'lithic',
    verify: (r) => {
      const Lithic = require('lithic').default
      new Lithic({ apiKey: 'k', webhookSecret: r.secret }).webhooks.verifySignature(r.text, r.headers, r.secret)
      return true
    },
  },
  {
    provider: 'fathom', sdk: 'fathom-typescript',
    verify: async (r) => !!(await import('fathom-typescript')).Fathom.verifyWebhook(r.secret, standardHeaders(r), r.text),
  },
  {
    provider: 'polar', sdk: '@polar-sh/sdk', event: undefined,
    verify: async (r) => {
      const { validateEvent, WebhookVerificationError } = await import('@polar-sh/sdk/webhooks')
      try {
        validateEvent(r.text, standardHeaders(r), r.secret)
      } catch (error) {
        // What its own schemas say of an example is another matter: the signature was checked before.
        if (error instanceof WebhookVerificationError && /signature|header|timestamp/i.test(error.message)) throw error
      }
      return true
    },
  },
  {
    provider: 'twilio', sdk: 'twilio',
    sign: (r) => {
      const { getExpectedTwilioSignature } = require('twilio/lib/webhooks/webhooks')
      return {
        headers: {
          'content-type': 'application/x-www-form-urlencoded', 'i-twilio-idempotency-token': 'c5f5c1f4-2f3f-4a0f-9b5c-2f0f5f1f6f7f',
          'x-twilio-signature': getExpectedTwilioSignature(r.secret, r.url, params(r.text)),
        },
      }
    },
    verify: (r) => require('twilio').validateRequest(r.secret, r.headers['x-twilio-signature'], r.url, params(r.text)),
  },
  {
    provider: 'hubspot', sdk: '@hubspot/api-client',
    sign: (r) => {
      const { Signature } = require('@hubspot/api-client')
      const timestamp = r.now.getTime()
      const options = { clientSecret: r.secret, requestBody: r.text, url: r.url, timestamp }
      return {
        headers: {
          'content-type': 'application/json', 'x-hubspot-request-timestamp': String(timestamp), 'x-hubspot-signature-version': 'v3',
          'x-hubspot-signature-v3': Signature.getSignature('POST', 'v3', options),
        },
      }
    },
    verify: (r) => {
      const { Signature } = require('@hubspot/api-client')
      const v3 = r.headers['x-hubspot-signature-v3']
      return Signature.isValid({
        signature: v3 ?? r.headers['x-hubspot-signature'], signatureVersion: v3 ? 'v3' : r.headers['x-hubspot-signature-version'],
        clientSecret: r.secret, requestBody: r.text, url: r.url, method: 'POST', timestamp: Number(r.headers['x-hubspot-request-timestamp']),
      })
    },
  },
  {
    provider: 'notion', sdk: '@notionhq/client', pathToken: true,
    sign: async (r) => {
      const { signWebhookPayload } = require('@notionhq/client')
      return { headers: { 'content-type': 'application/json', 'x-notion-signature': await signWebhookPayload({ body: r.text, verificationToken: r.secret }) } }
    },
    verify: (r) => require('@notionhq/client').verifyWebhookSignature({ body: r.text, signature: r.headers['x-notion-signature'], verificationToken: r.secret }),
  },
  {
    provider: 'adyen', sdk: '@adyen/api-library',
    secret: '44782DEF547AAA06C910C43932B1EB0C71FC68D9D0C057550C48EC2ACF6BA056',
    sign: (r) => {
      const { hmacValidator } = require('@adyen/api-library')
      const doc = JSON.parse(r.text)
      for (const { NotificationRequestItem: item } of doc.notificationItems) {
        item.additionalData = { ...item.additionalData, hmacSignature: new hmacValidator().calculateHmac(item, r.secret) }
      }
      return { headers: { 'content-type': 'application/json' }, body: JSON.stringify(doc) }
    },
    verify: (r) => {
      const { hmacValidator } = require('@adyen/api-library')
      return JSON.parse(r.text).notificationItems.every((i) => new hmacValidator().validateHMAC(i.NotificationRequestItem, r.secret))
    },
    flip: 'json:notificationItems.0.NotificationRequestItem.pspReference',
    weak: 'the signature covers eight fields of the item',
  },
  {
    provider: 'adyen-platform', sdk: '@adyen/api-library',
    secret: '44782DEF547AAA06C910C43932B1EB0C71FC68D9D0C057550C48EC2ACF6BA056',
    verify: (r) => {
      const { hmacValidator } = require('@adyen/api-library')
      return new hmacValidator().validateHMACSignature(r.secret, r.headers.hmacsignature, r.text)
    },
  },
  {
    provider: 'braintree', sdk: 'braintree', vars: { public_key: 'integration_public_key' }, secret: 'integration_private_key',
    sign: (r) => {
      const gateway = braintree(r)
      const sample = gateway.webhookTesting.sampleNotification('subscription_went_past_due', 'sub_7qf2')
      return { headers: { 'content-type': 'application/x-www-form-urlencoded' }, body: new URLSearchParams(sample).toString() }
    },
    verify: async (r) => {
      const { bt_signature, bt_payload } = params(r.text)
      return !!(await braintree(r).webhookNotification.parse(bt_signature, bt_payload))
    },
    flip: 'form:bt_payload',
  },
  {
    provider: 'contentful', sdk: '@contentful/node-apps-toolkit', secret: 'a'.repeat(40) + 'b1C2d3E4f5G6h7I8j9K0l1M2',
    sign: (r) => {
      const { signRequest } = require('@contentful/node-apps-toolkit')
      const headers = { 'content-type': 'application/vnd.contentful.management.v1+json', 'x-contentful-topic': 'ContentManagement.Entry.publish' }
      const url = new URL(r.url)
      const signed = signRequest(r.secret, { method: 'POST', path: url.pathname + url.search, headers, body: r.text }, r.now.getTime())
      return { headers: { ...headers, ...Object.fromEntries(Object.entries(signed).map(([k, v]) => [k.toLowerCase(), v])) } }
    },
    verify: (r) => {
      const { verifyRequest } = require('@contentful/node-apps-toolkit')
      const url = new URL(r.url)
      return verifyRequest(r.secret, { method: 'POST', path: url.pathname + url.search, headers: r.headers, body: r.text }, 30)
    },
  },
  {
    provider: 'sanity', sdk: '@sanity/webhook',
    sign: async (r) => {
      const header = await require('@sanity/webhook').encodeSignatureHeader(r.text, r.now.getTime(), r.secret)
      return { headers: { 'content-type': 'application/json', 'sanity-webhook-signature': header, 'sanity-operation': 'update', 'idempotency-key': 'b7f5a1' } }
    },
    verify: (r) => require('@sanity/webhook').isValidSignature(r.text, r.headers['sanity-webhook-signature'], r.secret),
  },
  {
    provider: 'atlassian-connect', sdk: 'atlassian-jwt', flip: 'header:authorization', weak: 'the token binds method, path and query, not the body',
    sign: (r) => {
      const jwt = require('atlassian-jwt')
      const url = new URL(r.url)
      const claims = {
        iss: 'client-key', iat: seconds(r.now), exp: seconds(r.now) + 180,
        qsh: jwt.createQueryStringHash(jwt.fromMethodAndUrl('POST', url.pathname + url.search)),
      }
      return { headers: { 'content-type': 'application/json', authorization: 'JWT ' + jwt.encodeSymmetric(claims, r.secret) } }
    },
    verify: (r) => {
      const jwt = require('atlassian-jwt')
      const url = new URL(r.url)
      const claims = jwt.decodeSymmetric(r.headers.authorization.replace(/^JWT /, ''), r.secret, jwt.SymmetricAlgorithm.HS256)
      return claims.qsh === jwt.createQueryStringHash(jwt.fromMethodAndUrl('POST', url.pathname + url.search))
    },
  },
  {
    provider: 'livekit', sdk: 'livekit-server-sdk', vars: { api_key: 'APIabc123' }, secret: 'secret-of-at-least-thirty-two-bytes-x',
    sign: async (r) => {
      const { AccessToken } = await import('livekit-server-sdk')
      const token = new AccessToken('APIabc123', r.secret, { ttl: 300 })
      token.sha256 = createHash('sha256').update(r.body).digest('base64')
      return { headers: { 'content-type': 'application/webhook+json', authorization: await token.toJwt() } }
    },
    verify: async (r) => {
      const { WebhookReceiver } = await import('livekit-server-sdk')
      return !!(await new WebhookReceiver('APIabc123', r.secret).receive(r.text, r.headers.authorization))
    },
  },
  {
    provider: 'orb', sdk: 'orb-billing',
    sign: (r) => {
      const Orb = require('orb-billing').default
      const timestamp = r.now.toISOString().replace('Z', '')
      const signature = new Orb({ apiKey: 'k' }).webhooks.signPayload(r.text, { timestamp, secret: r.secret })
      return { headers: { 'content-type': 'application/json', 'x-orb-timestamp': timestamp, 'x-orb-signature': signature } }
    },
    verify: (r) => {
      const Orb = require('orb-billing').default
      new Orb({ apiKey: 'k' }).webhooks.verifySignature(r.text, r.headers, r.secret)
      return true
    },
  },
  {
    provider: 'modern-treasury', sdk: 'modern-treasury',
    sign: (r) => {
      const ModernTreasury = require('modern-treasury').default
      const client = new ModernTreasury({ apiKey: 'k', organizationID: 'o' })
      return { headers: { 'content-type': 'application/json', 'x-topic': 'payment_order', 'x-signature': client.webhooks.getSignature(r.text, { key: r.secret }) } }
    },
    verify: (r) => {
      const ModernTreasury = require('modern-treasury').default
      return new ModernTreasury({ apiKey: 'k', organizationID: 'o' }).webhooks.validateSignature(r.text, r.headers, { key: r.secret })
    },
  },
  {
    provider: 'kontent', sdk: '@kontent-ai/webhook-helper',
    sign: (r) => ({
      headers: { 'content-type': 'application/json', 'x-kontent-ai-signature': require('@kontent-ai/webhook-helper').signatureHelper.getHashFromString(r.text, r.secret) },
    }),
    verify: (r) => require('@kontent-ai/webhook-helper').signatureHelper.isValidSignatureFromString(r.text, r.secret, r.headers['x-kontent-ai-signature']),
  },
  {
    provider: 'smartcar', sdk: 'smartcar',
    sign: (r) => ({ headers: { 'content-type': 'application/json', 'sc-signature': require('smartcar').hashChallenge(r.secret, r.text) } }),
    verify: (r) => require('smartcar').hashChallenge(r.secret, r.text) === r.headers['sc-signature'],
  },
  {
    provider: 'slack', sdk: '@slack/bolt',
    verify: (r) => {
      const { isValidSlackRequest } = require('./node_modules/@slack/bolt/dist/receivers/verify-request.js')
      return isValidSlackRequest({ signingSecret: r.secret, body: r.text, headers: { ...r.headers, 'x-slack-request-timestamp': Number(r.headers['x-slack-request-timestamp']) } })
    },
  },
  {
    provider: 'discord', sdk: 'discord-interactions',
    verify: (r) => require('discord-interactions').verifyKey(r.body, r.headers['x-signature-ed25519'], r.headers['x-signature-timestamp'], r.raw.toString('hex')),
  },
  {
    provider: 'shopify', sdk: '@shopify/shopify-api',
    verify: async (r) => {
      await import('@shopify/shopify-api/adapters/web-api')
      const { shopifyApi, ApiVersion } = await import('@shopify/shopify-api')
      const shopify = shopifyApi({ apiKey: 'k', apiSecretKey: r.secret, scopes: ['read_orders'], hostName: 'hooks.example.com', apiVersion: Object.values(ApiVersion).at(-2), isEmbeddedApp: false, logger: { log() {} } })
      const headers = {
        'x-shopify-api-version': '2025-01', 'x-shopify-shop-domain': 'headgate.myshopify.com', 'x-shopify-webhook-id': 'b54557e4-bdd9-4b37-8a5f-bf7d70bcd043', ...r.headers,
      }
      const result = await shopify.webhooks.validate({ rawBody: r.text, rawRequest: new Request(r.url, { method: 'POST', headers, body: r.text }) })
      if (!result.valid && result.reason !== 'invalid_hmac') throw new Error(JSON.stringify(result))
      return result.valid
    },
  },
  {
    provider: 'square', sdk: 'square',
    verify: (r) =>
      require('square').WebhooksHelper.verifySignature({ requestBody: r.text, signatureHeader: r.headers['x-square-hmacsha256-signature'], signatureKey: r.secret, notificationUrl: r.url }),
  },
  {
    provider: 'sendgrid', sdk: '@sendgrid/eventwebhook',
    verify: (r) => {
      const { EventWebhook } = require('@sendgrid/eventwebhook')
      const hook = new EventWebhook()
      const name = 'x-twilio-email-event-webhook-'
      return hook.verifySignature(hook.convertPublicKeyToECDSA(r.spki), r.body, r.headers[name + 'signature'], r.headers[name + 'timestamp'])
    },
  },
  {
    provider: 'mailgun', sdk: 'mailgun-js', flip: 'json:signature.token', weak: 'the signature covers time and token, not the body',
    verify: (r) => {
      const { timestamp, token, signature } = JSON.parse(r.text).signature
      return require('mailgun-js')({ apiKey: r.secret, domain: 'example.com', mute: true }).validateWebhook(timestamp, token, signature)
    },
  },
  {
    provider: 'linear', sdk: '@linear/sdk',
    verify: async (r) => {
      const { LinearWebhookClient } = await import('@linear/sdk/webhooks')
      return new LinearWebhookClient(r.secret).verify(r.body, r.headers['linear-signature'])
    },
  },
  {
    provider: 'paddle', sdk: '@paddle/paddle-node-sdk',
    verify: (r) => {
      const { Paddle } = require('@paddle/paddle-node-sdk')
      return new Paddle('k').webhooks.isSignatureValid(r.text, r.secret, r.headers['paddle-signature'])
    },
  },
  {
    provider: 'mux', sdk: '@mux/mux-node',
    verify: async (r) => {
      const Mux = (await import('@mux/mux-node')).default
      await new Mux({ tokenId: 'a', tokenSecret: 'b' }).webhooks.verifySignature(r.text, r.headers, r.secret)
      return true
    },
  },
  {
    provider: 'workos', sdk: '@workos-inc/node',
    verify: async (r) => {
      const { WorkOS } = await import('@workos-inc/node')
      return new WorkOS('sk_x', { clientId: 'c' }).webhooks.verifyHeader({ payload: JSON.parse(r.text), sigHeader: r.headers['workos-signature'], secret: r.secret })
    },
    compact: true,
  },
  {
    provider: 'razorpay', sdk: 'razorpay',
    verify: (r) => require('razorpay').validateWebhookSignature(r.text, r.headers['x-razorpay-signature'], r.secret),
  },
  {
    provider: 'gocardless', sdk: 'gocardless-nodejs',
    verify: async (r) => !!(await import('gocardless-nodejs')).parse(r.text, r.secret, r.headers['webhook-signature']),
  },
  {
    provider: 'line', sdk: '@line/bot-sdk',
    verify: async (r) => (await import('@line/bot-sdk')).validateSignature(r.body, r.secret, r.headers['x-line-signature']),
  },
  {
    provider: 'pusher', sdk: 'pusher', vars: { key: '278d425bdf160c739803' },
    verify: (r) => {
      const Pusher = require('pusher')
      const pusher = new Pusher({ appId: '1', key: '278d425bdf160c739803', secret: r.secret, cluster: 'eu' })
      return pusher.webhook({ rawBody: r.text, headers: r.headers }).isValid()
    },
  },
  {
    provider: 'coinbase-commerce', sdk: 'coinbase-commerce-node',
    verify: (r) => require('coinbase-commerce-node').Webhook.verifySigHeader(r.text, r.headers['x-cc-webhook-signature'], r.secret),
  },
  {
    provider: 'elevenlabs', sdk: '@elevenlabs/elevenlabs-js',
    verify: async (r) => {
      const { ElevenLabsClient } = await import('@elevenlabs/elevenlabs-js')
      return !!(await new ElevenLabsClient({ apiKey: 'k' }).webhooks.constructEvent(r.text, r.headers['elevenlabs-signature'], r.secret))
    },
  },
  {
    provider: 'easypost', sdk: '@easypost/api',
    verify: (r) => {
      const EasyPost = require('@easypost/api')
      return !!new (EasyPost.default ?? EasyPost)('k').Utils.validateWebhook(r.body, r.headers, r.secret)
    },
  },
  {
    provider: 'box', sdk: 'box-node-sdk',
    verify: async (r) => {
      const { WebhooksManager } = require('./node_modules/box-node-sdk/lib/managers/webhooks.js')
      return WebhooksManager.validateMessage(r.text, r.headers, r.secret)
    },
  },
  {
    provider: 'telnyx', sdk: 'telnyx',
    verify: async (r) => {
      const Telnyx = (await import('telnyx')).default
      return !!(await new Telnyx({ apiKey: 'k' }).webhooks.unwrap(r.text, { headers: r.headers, key: r.raw.toString('base64') }))
    },
  },
  {
    provider: 'messagebird', sdk: 'messagebird',
    verify: (r) =>
      require('messagebird/lib/webhook-signature-jwt').verify(r.url, r.body, r.headers['messagebird-signature-jwt'], createSecretKey(Buffer.from(r.secret))),
  },
  {
    provider: 'vonage', sdk: '@vonage/jwt', flip: 'header:authorization', weak: 'the SDK does not compare payload_hash; Headgate does',
    verify: async (r) => {
      const { verifySignature } = await import('@vonage/jwt')
      const silenced = console.log
      console.log = () => {}
      try {
        return verifySignature(r.headers.authorization.replace(/^Bearer /, ''), r.secret)
      } finally {
        console.log = silenced
      }
    },
  },
  {
    provider: 'sns', sdk: 'sns-validator', flip: 'json:Message',
    verify: (r) =>
      withCertificate(r.certificate, () => new Promise((resolve) => new (require('sns-validator'))().validate(r.text, (error) => resolve(!error)))),
  },
  {
    provider: 'telegram', sdk: 'grammy', flip: 'header:x-telegram-bot-api-secret-token', weak: 'a token proves the sender, not the body', secret: 'A1b2C3d4_E5f6-G7h8',
    verify: async (r) => {
      const { Bot, webhookCallback } = require('grammy')
      const botInfo = { id: 1, is_bot: true, first_name: 'x', username: 'x_bot', can_join_groups: true, can_read_all_group_messages: false, supports_inline_queries: false }
      const answer = await webhookCallback(new Bot('1:x', { botInfo }), 'std/http', { secretToken: r.secret })(new Request(r.url, { method: 'POST', headers: r.headers, body: r.text }))
      return answer.status === 200
    },
  },
  {
    provider: 'trigger-dev', sdk: '@trigger.dev/sdk',
    verify: async (r) => {
      const { webhooks } = await import('@trigger.dev/sdk')
      try {
        await webhooks.constructEvent(new Request(r.url, { method: 'POST', headers: r.headers, body: r.text }), r.secret)
      } catch (error) {
        if (/signature|secret|header/i.test(error.message)) throw error
      }
      return true
    },
  },
]

function braintree(r) {
  const { BraintreeGateway, Environment } = require('braintree')
  return new BraintreeGateway({ environment: Environment.Sandbox, merchantId: 'm', publicKey: 'integration_public_key', privateKey: r.secret })
}
