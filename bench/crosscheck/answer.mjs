// Answers one question a line, for the Go program beside it: {op: "list"}, {op: "sign", case, request} or {op: "verify", case, request}.

import { readFileSync } from 'node:fs'
import { createInterface } from 'node:readline'
import { sdks } from './sdks.mjs'

const version = (name) => JSON.parse(readFileSync(new URL(`./node_modules/${name}/package.json`, import.meta.url))).version

function list() {
  return sdks.map(({ sign, verify, ...rest }) => ({ ...rest, version: version(rest.sdk), signs: !!sign, verifies: !!verify }))
}

function request(from) {
  const body = Buffer.from(from.body, 'base64')
  return { ...from, body, text: body.toString(), now: new Date(from.now), raw: Buffer.from(from.raw ?? '', 'base64') }
}

async function sign(of, r) {
  const made = await of.sign(r)
  return { headers: made.headers, query: made.query ?? '', body: Buffer.from(made.body ?? r.text).toString('base64') }
}

// verify tells a refusal from a mistake of ours only by its reason, so the reason is always given.
async function verify(of, r) {
  try {
    return { accepted: (await of.verify(r)) === true }
  } catch (error) {
    return { accepted: false, reason: String(error.message ?? error) }
  }
}

// stdout is for answers alone: some SDKs talk.
const say = process.stdout.write.bind(process.stdout)
console.log = console.info = console.warn = console.error = () => {}

for await (const line of createInterface({ input: process.stdin })) {
  const question = JSON.parse(line)
  const of = sdks[question.case]
  let answer
  try {
    switch (question.op) {
      case 'list': answer = { cases: list() }; break
      case 'sign': answer = await sign(of, request(question.request)); break
      case 'verify': answer = await verify(of, request(question.request)); break
      default: throw new Error(`no such question: ${question.op}`)
    }
  } catch (error) {
    answer = { error: String(error.stack ?? error) }
  }
  say(JSON.stringify(answer) + '\n')
}
process.exit(0)
