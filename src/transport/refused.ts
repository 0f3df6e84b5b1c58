import { UserError } from '../errors.js'
import { untrustedCertificate } from '../untrusted.js'
import type { KafkaOptions } from './kafkaClient.js'

/** TLS alerts by which a broker refuses a client: it wants a certificate, or another one. */
const clientRefused = /^ERR_SSL_.*ALERT.*(CERTIFICATE|UNKNOWN_CA|HANDSHAKE_FAILURE)/

/** The sentence for a login that may do too little. */
export function notAllowed(what: string, { brokers, sasl }: Pick<KafkaOptions, 'brokers' | 'sasl'>): string {
  return `Kafka at ${brokers.join(', ')} does not let ${sasl?.username ?? 'us'} do what is needed (${what}): give this login the rights that docs/operations.md lists`
}

/** The sentence for an error that trying again does not help, because one side does not trust the other or lets it do too little; undefined for all others. */
export function refusal(error: unknown, { brokers, sasl, tls }: KafkaOptions): UserError | undefined {
  const at = `Kafka at ${brokers.join(', ')}`
  for (let inner = error; inner instanceof Error; inner = inner.cause) {
    const { code = '', type = '' } = inner as NodeJS.ErrnoException & { readonly type?: string }
    if (inner.name === 'KafkaJSSASLAuthenticationError')
      return inner.message.includes('not supported by the server')
        ? new UserError(
            `${at} knows no login with ${sasl?.mechanism ?? 'SASL'}: set kafka.sasl.mechanism to one it offers`,
          )
        : new UserError(
            `${at} refused the login of ${sasl?.username ?? 'nobody'} (${sasl?.mechanism ?? 'SASL'}): check kafka.sasl.username and password`,
          )
    if (type.endsWith('_AUTHORIZATION_FAILED')) return new UserError(notAllowed(type, { brokers, sasl }))
    const reason = untrustedCertificate(inner)
    if (reason !== undefined)
      return new UserError(
        `${at} shows a certificate that cannot be trusted (${reason}): give the right authority as kafka.tls.ca, or the name in it as kafka.tls.serverName`,
      )
    if (clientRefused.test(code))
      return new UserError(
        `${at} refused ${tls?.certificate === undefined ? 'a client without a certificate' : 'our certificate'} (${code}): set kafka.tls.certificate and key to a pair it trusts`,
      )
  }
  return undefined
}
