/** Bicep files as trees, by a grammar that is not ours: the compiler itself cannot be had without its download. */
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { Language, type Node, Parser } from 'web-tree-sitter';

const ROOT = path.resolve(__dirname, '..', '..');

export interface Module {
  readonly name: string;
  /** Relative to the project. */
  readonly file: string;
  readonly params: readonly string[];
}

export interface BicepFile {
  /** Relative to the project. */
  readonly file: string;
  readonly syntaxErrors: readonly string[];
  readonly params: readonly { readonly name: string; readonly hasDefault: boolean }[];
  readonly outputs: readonly string[];
  readonly modules: readonly Module[];
  readonly resourceTypes: readonly string[];
  /** Names of declarations that nothing in the file uses. */
  readonly unused: readonly string[];
  /** Keys of all objects, at any depth. */
  readonly keys: readonly string[];
  /** `module.outputs.name`, as written. */
  readonly outputUses: readonly { readonly module: string; readonly output: string }[];
  readonly text: string;
}

export async function bicepReader(): Promise<(file: string) => BicepFile> {
  await Parser.init();
  const grammar = path.join(ROOT, 'node_modules', 'tree-sitter-bicep', 'tree-sitter-bicep.wasm');
  const parser = new Parser();
  parser.setLanguage(await Language.load(grammar));
  return (file) => {
    const text = readFileSync(path.join(ROOT, file), 'utf8');
    const tree = parser.parse(text);
    if (!tree) throw new Error(`${file} could not be read at all`);
    return describe(file, text, tree.rootNode);
  };
}

function describe(file: string, text: string, root: Node): BicepFile {
  const all = descendants(root);
  const of = (type: string): Node[] => all.filter((node) => node.type === type);
  const modules = of('module_declaration').map((node) => ({
    name: nameOf(node),
    file: path.posix.join(path.posix.dirname(file), contentOf(child(node, 'string'))),
    params: keysOf(propertyOf(bodyOf(node), 'params')),
  }));
  const declared = ['parameter_declaration', 'variable_declaration'].flatMap(of).map(nameOf);
  return {
    file,
    text,
    syntaxErrors: all
      .filter((node) => node.isError || node.isMissing)
      .map((node) => `${node.startPosition.row + 1}: ${node.text.slice(0, 60)}`),
    params: of('parameter_declaration').map((node) => ({
      name: nameOf(node),
      hasDefault: /^param\s+\w+\s+[^\n=]*=/.test(node.text),
    })),
    outputs: of('output_declaration').map(nameOf),
    modules,
    resourceTypes: of('resource_declaration').map((node) => contentOf(child(node, 'string'))),
    unused: declared.filter((name) => [...text.matchAll(new RegExp(`\\b${name}\\b`, 'g'))].length < 2),
    keys: of('object_property').map(keyOf),
    outputUses: [...text.matchAll(/\b(\w+)(?:\[[^\]]+\])?!?\.outputs\.(\w+)/g)].map((match) => ({
      module: match[1] ?? '',
      output: match[2] ?? '',
    })),
  };
}

function descendants(node: Node): Node[] {
  const found: Node[] = [node];
  for (const at of found) for (const next of at.children) if (next) found.push(next);
  return found;
}

const child = (node: Node, type: string): Node | undefined =>
  node.namedChildren.find((candidate) => candidate?.type === type) ?? undefined;

const nameOf = (node: Node): string => child(node, 'identifier')?.text ?? '';
const contentOf = (node: Node | undefined): string => (node ? (child(node, 'string_content')?.text ?? '') : '');
const keyOf = (property: Node): string => property.namedChildren[0]?.text.replaceAll("'", '') ?? '';

/** The object of a declaration, below its loop and condition. */
function bodyOf(node: Node): Node | undefined {
  const object = child(node, 'object');
  if (object) return object;
  const wrapper = child(node, 'for_statement') ?? child(node, 'if_statement');
  return wrapper && bodyOf(wrapper);
}

const propertyOf = (object: Node | undefined, key: string): Node | undefined =>
  object?.namedChildren.find((property) => property?.type === 'object_property' && keyOf(property) === key)
    ?.namedChildren[1] ?? undefined;

const keysOf = (object: Node | undefined): string[] =>
  (object?.namedChildren ?? []).flatMap((node) => (node?.type === 'object_property' ? [keyOf(node)] : []));
