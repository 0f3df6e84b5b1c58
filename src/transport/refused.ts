import { UserError } from '../errors.js'
import type { KafkaOptions } from './kafkaClient.js'

/** What Node says of certificates; see "X509 certificate error codes" in its documentation of tls. */
const untrusted: Readonly<Record<string, string>> = {
  DEPTH_ZERO_SELF_SIGNED_CERT: 'it is signed by itself',
  SELF_SIGNED_CERT_IN_CHAIN: 'its authority is not trusted here',
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: 'its authority is not trusted here',
  UNABLE_TO_GET_ISSUER_CERT: 'its authority is not trusted here',
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY: 'its authority is not trusted here',
  CERT_SIGNATURE_FAILURE: 'its signature is wrong',
  CERT_NOT_YET_VALID: 'it is not valid yet',
  CERT_HAS_EXPIRED: 'it has expired',
  ERR_TLS_CERT_ALTNAME_INVALID: 'it is for another name',
}

/** TLS alerts by which a broker refuses a client: it wants a certificate, or another one. */
const clientRefused = /^ERR_SSL_.*ALERT.*(CERTIFICATE|UNKNOWN_CA|HANDSHAKE_FAILURE)/

/** The sentence for an error that trying again does not help, because one side does not trust the other; undefined for all others. */
export function refusal(error: unknown, { brokers, sasl, tls }: KafkaOptions): UserError | undefined {
  const at = `Kafka at ${brokers.join(', ')}`
  for (let inner = error; inner instanceof Error; inner = inner.cause) {
    const code = (inner as NodeJS.ErrnoException).code ?? ''
    if (inner.name === 'KafkaJSSASLAuthenticationError')
      return inner.message.includes('not supported by the server')
        ? new UserError(
            `${at} knows no login with ${sasl?.mechanism ?? 'SASL'}: set kafka.sasl.mechanism to one it offers`,
          )
        : new UserError(
            `${at} refused the login of ${sasl?.username ?? 'nobody'} (${sasl?.mechanism ?? 'SASL'}): check kafka.sasl.username and password`,
          )
    const reason = Object.hasOwn(untrusted, code) ? untrusted[code] : undefined
    if (reason !== undefined)
      return new UserError(
        `${at} shows a certificate that cannot be trusted (${code}: ${reason}): give the right authority as kafka.tls.ca, or the name in it as kafka.tls.serverName`,
      )
    if (clientRefused.test(code))
      return new UserError(
        `${at} refused ${tls?.certificate === undefined ? 'a client without a certificate' : 'our certificate'} (${code}): set kafka.tls.certificate and key to a pair it trusts`,
      )
  }
  return undefined
}
