import { Option } from 'commander'
import { UserError } from '../errors.js'
import { type StackRoot, stackRoots } from '../measures/stackTime.js'

/** `--by ROOT`. `where`: what it belongs to. */
export function stackRootOption(where: string): Option {
  return new Option('--by <root>', `${where}: what stands at the root (default goroutine)`).choices(stackRoots)
}

/** @throws UserError when only a Go trace tells what is at the root, and there is none */
export function requireTraceFor(by: StackRoot | undefined, hasTrace: boolean): void {
  if (by === undefined || by === 'thread' || hasTrace) return
  throw new UserError(`--by ${by} needs the Go trace of the same time: give it with --trace`)
}
