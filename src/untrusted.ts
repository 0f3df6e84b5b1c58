/** What Node says of certificates; see "X509 certificate error codes" in its documentation of tls. */
const reasons: Readonly<Record<string, string>> = {
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

/** Why this error says that a server's certificate cannot be trusted, such as `CERT_HAS_EXPIRED: it has expired`; undefined when it does not. */
export function untrustedCertificate(error: Error): string | undefined {
  const { code = '' } = error as NodeJS.ErrnoException
  return Object.hasOwn(reasons, code) ? `${code}: ${reasons[code]!}` : undefined
}
