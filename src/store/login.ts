import { z } from 'zod'
import { UserError } from '../errors.js'
import { Secret } from '../secret.js'
import { type Env, environmentValue, optional, secretText } from '../settings.js'

const fields = {
  username: optional(z.string().min(1)).describe('for a QuestDB that wants a login'),
  password: optional(secretText()),
  token: optional(secretText()).describe('in place of both, where QuestDB takes tokens'),
}
const goTogether = 'give username and password, or token, or none'

const Login = z.strictObject(fields)
type Login = z.infer<typeof Login>

/** Where QuestDB is and who we are there, as a pipeline says it. */
export const QuestdbAddress = z
  .strictObject({
    url: z
      .url({ protocol: /^https?$/, error: 'an http address' })
      // It is shown in logs.
      .refine(
        (url) => new URL(url).username === '',
        'user and password are settings of their own, not part of the address',
      )
      .describe('HTTP address of QuestDB'),
    ...fields,
  })
  .refine(fits, goTogether)
export type QuestdbAddress = z.infer<typeof QuestdbAddress>

function fits({ username, password, token }: Login): boolean {
  return (username === undefined) === (password === undefined) && (token === undefined || username === undefined)
}

/** The same variables that the files in pipelines/ name, for commands without such a file. @throws UserError */
export function questdbLoginFrom(env: Env): Login {
  const value = (name: string) => environmentValue(env, `DUALTRACE_QUESTDB_${name}`)
  const login = Login.parse({ username: value('USERNAME'), password: value('PASSWORD'), token: value('TOKEN') })
  if (!fits(login)) throw new UserError(`DUALTRACE_QUESTDB_USERNAME, _PASSWORD, _TOKEN: ${goTogether}`)
  return login
}

/** An address for another thread, which takes plain data alone. */
export interface PlainAddress {
  readonly url: string
  readonly username: string | undefined
  readonly password: string | undefined
  readonly token: string | undefined
}

export function toPlain({ url, username, password, token }: QuestdbAddress): PlainAddress {
  return { url, username, password: password?.reveal(), token: token?.reveal() }
}

export function fromPlain({ url, username, password, token }: PlainAddress): QuestdbAddress {
  const secret = (text: string | undefined) => (text === undefined ? undefined : new Secret(text))
  return { url, username, password: secret(password), token: secret(token) }
}
