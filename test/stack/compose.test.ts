import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { parse } from 'yaml'
import { z } from 'zod'
import { packageRoot } from '../../src/stack/paths.js'

const Compose = z.object({
  services: z.record(
    z.string(),
    z.object({
      image: z.string(),
      ports: z.array(z.string()),
      volumes: z.array(z.string()),
      environment: z.record(z.string(), z.union([z.string(), z.number()])),
      healthcheck: z.object({ test: z.array(z.string()) }),
      logging: z.object({ options: z.object({ 'max-size': z.string(), 'max-file': z.string() }) }).optional(),
    }),
  ),
  volumes: z.record(z.string(), z.null()),
})

describe('docker-compose.yml', () => {
  const path = join(packageRoot(), 'docker-compose.yml')
  const compose = Compose.parse(parse(readFileSync(path, 'utf8')))
  const services = Object.entries(compose.services)

  it('has Kafka, QuestDB and Grafana in pinned versions, each with a health check', () => {
    assert.deepEqual(Object.keys(compose.services).sort(), ['grafana', 'kafka', 'questdb'])
    for (const [, { image }] of services) assert.match(image, /:\d+\.\d+\.\d+$/)
  })

  it('runs the versions that the jars have', () => {
    const pom = readFileSync(join(packageRoot(), 'deploy/stack/pom.xml'), 'utf8')
    const versionOf = (artifact: string) =>
      new RegExp(`<artifactId>${artifact}</artifactId>\\s*<version>(.*)<`).exec(pom)?.[1]
    assert.equal(compose.services['kafka']?.image.split(':')[1], versionOf('kafka_2.13'))
    assert.equal(compose.services['questdb']?.image.split(':')[1], versionOf('questdb'))
  })

  it('publishes every port on the loopback interface alone', () => {
    for (const [name, { ports }] of services)
      for (const port of ports) assert.ok(port.startsWith('127.0.0.1:'), `${name} publishes ${port}`)
  })

  it('bounds what each service may log', () => {
    for (const [name, { logging }] of services) assert.ok(logging !== undefined, name)
  })

  it('mounts directories that are there and volumes that it declares', () => {
    for (const [, { volumes }] of services)
      for (const volume of volumes) {
        const from = volume.split(':')[0]!
        assert.ok(from.startsWith('./') ? existsSync(join(packageRoot(), from)) : from in compose.volumes, volume)
      }
  })

  it('sets every variable that the Grafana provisioning reads', () => {
    const files = ['datasources/questdb.yaml', 'alerting/contact-points.yaml']
    const environment = compose.services['grafana']!.environment
    for (const file of files) {
      const text = readFileSync(join(packageRoot(), 'grafana/provisioning', file), 'utf8')
      for (const [, name] of text.matchAll(/\$\{(\w+)\}/g)) assert.ok(name! in environment, `${file} needs ${name!}`)
    }
  })

  // Where there is no compose plugin there is nothing to ask: the tests above read the file themselves.
  if (spawnSync('docker', ['compose', 'version']).status === 0)
    it('is accepted by docker compose itself', () => {
      const { status, stderr } = spawnSync('docker', ['compose', '-f', path, 'config', '--quiet'])
      assert.equal(status, 0, stderr.toString())
    })
})
