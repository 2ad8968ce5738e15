import { readFile } from 'node:fs/promises'
import ts from 'typescript'
import { rootUrl } from './root.js'

/** The names of a file's tests, each as the list of its literal parts. */
export async function testsOf (file: string): Promise<{ names: string[][], source: string }> {
  const source = await readFile(new URL(`test/${file}`, rootUrl), 'utf8')
  const names: string[][] = []
  const visit = (node: ts.Node): void => {
    if (ts.isCallExpression(node) && ts.isIdentifier(node.expression) && node.expression.text === 'test') {
      const [name] = node.arguments
      if (name !== undefined && ts.isStringLiteralLike(name)) names.push([name.text])
      else if (name !== undefined && ts.isTemplateExpression(name)) {
        names.push([name.head.text, ...name.templateSpans.map(({ literal }) => literal.text)])
      }
    }
    ts.forEachChild(node, visit)
  }
  visit(ts.createSourceFile(file, source, ts.ScriptTarget.Latest))
  return { names, source: source.replaceAll('\\\'', '\'') }
}

/** Whether the file has a test of this name. Each word of an interpolated value must occur in the file. */
export function hasTest ({ names, source }: Awaited<ReturnType<typeof testsOf>>, wanted: string): boolean {
  return names.some((texts) => {
    const found = new RegExp(
      `^${texts.map((text) => text.replaceAll(/[.*+?^${}()|[\]\\]/g, '\\$&')).join('(.*?)')}$`,
      's'
    ).exec(wanted)
    return (
      found?.slice(1).every((putIn) => putIn.split(/\s+/).every((word) => source.includes(word))) ??
      false
    )
  })
}

/** The tests that a page names as `file under test/ › name`: their number, and those that do not exist. */
export async function missingTests (page: string): Promise<{ named: number, missing: string[] }> {
  const named = [...page.matchAll(/`([\w/.-]+\.test\.ts) › ([^`]+)`/g)].map(
    ([, file = '', name = '']) => ({ file, name })
  )
  const files = new Map(
    await Promise.all(
      [...new Set(named.map(({ file }) => file))].map(
        async (file) => [file, await testsOf(file)] as const
      )
    )
  )
  const missing = named.filter(
    ({ file, name }) => !hasTest(files.get(file) as Awaited<ReturnType<typeof testsOf>>, name)
  )
  return { named: named.length, missing: missing.map(({ file, name }) => `${file} › ${name}`) }
}

/** The broken links of a page in `docs/`: the file or its heading does not exist. */
export async function brokenLinks (page: string): Promise<string[]> {
  const broken: string[] = []
  for (const [, link = ''] of page.matchAll(/\]\((?!https:)([^)]+)\)/g)) {
    const [path = '', heading] = link.split('#')
    const text = await readFile(new URL(path, new URL('docs/', rootUrl)), 'utf8').catch(() => undefined)
    const isThere =
      text !== undefined &&
      (heading === undefined ||
        new RegExp(`^#+ ${heading.replaceAll('-', ' ')}$`, 'm').test(text.toLowerCase()))
    if (!isThere) broken.push(link)
  }
  return broken
}
