import { readdir, readFile } from 'node:fs/promises'
import { ServiceMonitor } from '@kubernetes-models/prometheus-operator/monitoring.coreos.com/v1'
import { Deployment } from 'kubernetes-models/apps/v1'
import { HorizontalPodAutoscaler } from 'kubernetes-models/autoscaling/v2'
import { NetworkPolicy } from 'kubernetes-models/networking.k8s.io/v1'
import { PodDisruptionBudget } from 'kubernetes-models/policy/v1'
import { Service } from 'kubernetes-models/v1'
import { test } from 'tap'
import { parse } from 'yaml'
import { loadConfig, variableNames } from '../../src/config.js'
import { rootUrl } from '../support/root.js'

const folder = new URL('deploy/kubernetes/', rootUrl)
const files = (await readdir(folder)).filter((name) => name.endsWith('.yaml'))
/** kubectl reads YAML 1.1: `0440` is octal. */
const manifests = Object.fromEntries(await Promise.all(files.map(async (name) => {
  const text = await readFile(new URL(name, folder), 'utf8')
  return [name, parse(text, { version: '1.1', uniqueKeys: true }) as Manifest] as const
})))

const LABELS = { 'app.kubernetes.io/name': 'cashsouk-auth' }
/** The models check by the schemas of the Kubernetes API (1.30) and of the Prometheus Operator. */
const MODELS = {
  'deployment.yaml': Deployment,
  'horizontal-pod-autoscaler.yaml': HorizontalPodAutoscaler,
  'network-policy.yaml': NetworkPolicy,
  'pod-disruption-budget.yaml': PodDisruptionBudget,
  'service-monitor.yaml': ServiceMonitor,
  'service.yaml': Service
}
/** Seconds that a stopping server goes on serving. */
const DRAIN = 5
/** Listens on a port of its own, and is read by the server only where it is set. */
const OTHER_PORTS = ['METRICS_PORT']

interface Manifest {
  apiVersion: string
  kind: string
  metadata: { name: string, labels: object }
  spec: Record<string, unknown>
}
interface Probe { httpGet: { path: string, port: string }, periodSeconds: number, failureThreshold: number }
interface Container {
  image: string
  ports: { name: string, containerPort: number }[]
  env: { name: string, value: string }[]
  volumeMounts: { name: string, mountPath: string }[]
  startupProbe: Probe
  livenessProbe: Probe
  readinessProbe: Probe
  securityContext: object
  lifecycle?: unknown
}
interface Pod {
  terminationGracePeriodSeconds: number
  securityContext: object
  containers: [Container]
  volumes: { name: string, secret: { secretName: string, defaultMode: number } }[]
}

const deployment = manifests['deployment.yaml'] as Manifest
const { spec: pod } = deployment.spec['template'] as { spec: Pod }
const [container] = pod.containers

test('Each Kubernetes manifest is valid by the schema of its kind', (t) => {
  t.same(files.toSorted(), Object.keys(MODELS))
  for (const [name, Model] of Object.entries(MODELS)) {
    const { apiVersion, kind, ...rest } = manifests[name] as Manifest
    t.same([apiVersion, kind], [Model.apiVersion, Model.kind], name)
    const { copy, unread } = watched(rest)
    t.doesNotThrow(() => { Object.assign(new Model(), copy).validate() }, name)
    t.same(unread(), [], `${name} has only keys that the schema knows`)
    t.throws(() => { Object.assign(new Model(), { ...rest, spec: [] }).validate() }, name)
  }
  t.end()
})

test('A misspelt key of a manifest is noticed', (t) => {
  const { copy, unread } = watched({ metadata: {}, spec: { selector: {}, template: { spec: { container: [] } } } })
  t.throws(() => { Object.assign(new Deployment(), copy).validate() })
  t.match(unread(), ['/spec/template/spec/container'])
  t.end()
})

/** A copy that knows which of its keys have not been read. The schemas of Kubernetes allow keys that mean nothing. */
function watched (value: object): { copy: object, unread: () => string[] } {
  const unread = new Set<string>()
  const watch = (part: unknown, path: string): unknown => {
    if (part === null || typeof part !== 'object') return part
    const entries = Object.entries(part).map(([key, child]) => [key, watch(child, `${path}/${key}`)] as const)
    for (const [key] of entries) unread.add(`${path}/${key}`)
    const copy = Array.isArray(part) ? entries.map(([, child]) => child) : Object.fromEntries(entries)
    return new Proxy(copy, {
      get (target, key, receiver) {
        unread.delete(`${path}/${String(key)}`)
        return Reflect.get(target, key, receiver) as unknown
      }
    })
  }
  return { copy: watch(value, '') as object, unread: () => [...unread] }
}

test('The Kubernetes manifests mean the same pods and ports', (t) => {
  const { 'service.yaml': service, 'service-monitor.yaml': monitor, 'network-policy.yaml': policy } = manifests
  for (const [name, { metadata }] of Object.entries(manifests)) {
    t.match(metadata, { name: 'cashsouk-auth', labels: LABELS }, name)
  }
  t.match(deployment.spec, { selector: { matchLabels: LABELS }, template: { metadata: { labels: LABELS } } })
  t.same(service?.spec['selector'], LABELS)
  t.same(monitor?.spec['selector'], { matchLabels: LABELS })
  t.same(policy?.spec['podSelector'], { matchLabels: LABELS })
  t.match(manifests['pod-disruption-budget.yaml']?.spec, { selector: { matchLabels: LABELS } })
  t.match(manifests['horizontal-pod-autoscaler.yaml']?.spec, {
    scaleTargetRef: { kind: 'Deployment', name: 'cashsouk-auth' }
  })
  t.notOk('replicas' in deployment.spec, 'the autoscaler decides')

  t.same(container.ports.map(({ name }) => name), ['http', 'metrics'])
  t.match(service?.spec['ports'], [{ name: 'http', targetPort: 'http' }, { name: 'metrics', targetPort: 'metrics' }])
  t.match(monitor?.spec['endpoints'], [{ port: 'metrics', path: '/metrics' }])
  t.match(policy?.spec['ingress'], [{ ports: [{ port: 'http' }] }, { ports: [{ port: 'metrics' }] }])
  const port = (name: string) => Number(container.env.find((variable) => variable.name === name)?.value)
  t.same(container.ports.map(({ containerPort }) => containerPort), [port('PORT'), port('METRICS_PORT')])
  t.end()
})

test('The variables of the Deployment are the server\'s, and its secrets are files', (t) => {
  const isFile = (name: string) => name.endsWith('_FILE')
  const env = Object.fromEntries(container.env.map(({ name, value }) => [name, value]))
  const secrets = Object.keys(env).filter(isFile).map((name) => name.slice(0, -'_FILE'.length))
  const [{ name = '', mountPath = '' } = {}] = container.volumeMounts

  t.same(secrets.toSorted(), ['COGNITO_CLIENT_SECRET', 'DATABASE_URL', 'SESSION_SECRET'])
  for (const secret of secrets) t.equal(env[`${secret}_FILE`], `${mountPath}/${secret}`)
  t.match(pod.volumes, [{ name, secret: { secretName: 'cashsouk-auth', defaultMode: 0o440 } }])
  t.match(pod.securityContext, { fsGroup: 1000 }, 'or the server could not read them')
  const plain = Object.fromEntries(Object.entries(env).filter(([each]) => !isFile(each)))
  for (const each of [...Object.keys(plain), ...secrets]) t.ok([...variableNames, ...OTHER_PORTS].includes(each), each)
  t.match(loadConfig({
    ...plain,
    DATABASE_URL: 'postgres://a:b@c/d',
    SESSION_SECRET: 'a secret of a test and of nothing else',
    COGNITO_CLIENT_SECRET: 'example'
  }), { production: true, HOST: '0.0.0.0' })
  t.end()
})

test('A pod has the time to drain, and is stopped by no probe meanwhile', async (t) => {
  const grace = Number(/GRACE_MS = (\d+)_000/.exec(await readFile(new URL('src/serve.ts', rootUrl), 'utf8'))?.[1])
  const { startupProbe, livenessProbe, readinessProbe } = container

  t.ok(pod.terminationGracePeriodSeconds > DRAIN + grace)
  t.equal(container.lifecycle, undefined)
  t.same([startupProbe, livenessProbe, readinessProbe].map(({ httpGet: { path, port } }) => `${path} ${port}`),
    ['/health/live http', '/health/live http', '/health/ready http'])
  t.ok(livenessProbe.periodSeconds * livenessProbe.failureThreshold > DRAIN + grace)
  t.match(deployment.spec['strategy'], { rollingUpdate: { maxUnavailable: 0 } })
})

test('A pod has no privileges and writes no files', (t) => {
  t.match(pod, {
    automountServiceAccountToken: false,
    securityContext: { runAsNonRoot: true, runAsUser: 1000, seccompProfile: { type: 'RuntimeDefault' } }
  })
  t.match(container.securityContext, {
    allowPrivilegeEscalation: false, readOnlyRootFilesystem: true, capabilities: { drop: ['ALL'] }
  })
  t.end()
})

test('Kubernetes and ECS run the same version of the image', async (t) => {
  const task = await readFile(new URL('deploy/ecs/task-definition.json', rootUrl), 'utf8')

  t.equal(/cashsouk-auth:(.*)$/.exec(container.image)?.[1], /cashsouk-auth:([^"]*)"/.exec(task)?.[1])
})
