/**
 * What has to hold before a release.
 *
 * @module
 */

/**
 * @typedef {object} Bom a bill of materials in CycloneDX
 * @property {{ 'bom-ref': string, properties?: { name: string }[] }[]} components
 * @property {{ ref: string, dependsOn: string[] }[]} dependencies
 */

/**
 * What stands in the way of a release; empty: nothing.
 *
 * @param {object} state of the checkout
 * @param {string} state.version of package.json
 * @param {string} state.status of `git status --porcelain`
 * @param {string[]} state.tags of the repository
 * @param {string} state.changelog the text of CHANGELOG.md
 * @param {string} state.image of the ECS task definition
 */
export function problems ({ version, status, tags, changelog, image }) {
  const found = []
  if (status !== '') found.push('The checkout has changes that are not committed')
  if (!/^\d+\.\d+\.\d+(-[\w.]+)?$/.test(version)) found.push(`The version ${version} is none of semver.org`)
  if (tags.includes(`v${version}`)) found.push(`The tag v${version} exists: set the next version in package.json`)
  const headings = [...changelog.matchAll(/^## (.+)$/gm)].map(([, heading]) => heading)
  const dated = new RegExp(`^\\[?${version.replaceAll('.', '\\.')}\\]?\\b.*\\d{4}-\\d\\d-\\d\\d$`)
  if (!headings.some((heading) => dated.test(heading))) {
    found.push(`CHANGELOG.md has no heading with ${version} and its date`)
  }
  const [, unreleased = ''] = /^## Unreleased\n(.*?)(?=^## |$(?![\s\S]))/ms.exec(changelog) ?? []
  if (unreleased.trim() !== '') found.push('CHANGELOG.md has entries under Unreleased')
  if (!image.endsWith(`:${version}`)) found.push('The image in deploy/ecs/task-definition.json has another version')
  return found
}

/**
 * The bill of materials without development dependencies. `npm sbom --omit dev` would also leave out what the
 * dependencies themselves depend on.
 *
 * @param {Bom} bom of `npm sbom --sbom-format cyclonedx`
 */
export function ofProduction (bom) {
  const components = bom.components.filter(({ properties = [] }) =>
    !properties.some(({ name }) => name === 'cdx:npm:package:development'))
  const left = new Set(bom.components.map((component) => component['bom-ref']))
  for (const component of components) left.delete(component['bom-ref'])
  const dependencies = bom.dependencies
    .filter(({ ref }) => !left.has(ref))
    .map(({ ref, dependsOn }) => ({ ref, dependsOn: dependsOn.filter((other) => !left.has(other)) }))
  return { ...bom, components, dependencies }
}
