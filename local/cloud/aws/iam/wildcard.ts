/** `*` and `?` as IAM knows them, and policy variables such as `${aws:PrincipalArn}`. */

/** Stand for a literal `*` or `?` inside a pattern: what a variable brings in is never a wildcard. */
const LITERAL_STAR = '\u{f0000}';
const LITERAL_MARK = '\u{f0001}';

/** Case-sensitive; `*` also matches `/` and `:`. */
export function matchesWildcard(pattern: string, text: string): boolean {
  const glyphs = [...pattern];
  const letters = [...text];
  let at = 0;
  let glyphAt = 0;
  let starAt = -1;
  let retryAt = 0;
  while (at < letters.length) {
    const glyph = glyphs[glyphAt];
    if (glyph === '*') {
      starAt = glyphAt;
      retryAt = at;
      glyphAt += 1;
    } else if (glyph !== undefined && (glyph === '?' || literal(glyph) === letters[at])) {
      glyphAt += 1;
      at += 1;
    } else if (starAt >= 0) {
      glyphAt = starAt + 1;
      retryAt += 1;
      at = retryAt;
    } else {
      return false;
    }
  }
  while (glyphs[glyphAt] === '*') glyphAt += 1;
  return glyphAt === glyphs.length;
}

function literal(glyph: string): string {
  return glyph === LITERAL_STAR ? '*' : glyph === LITERAL_MARK ? '?' : glyph;
}

/** ARNs match part by part: a wildcard does not reach over the first five colons. */
export function matchesArn(pattern: string, arn: string): boolean {
  if (pattern === '*') return true;
  const patternParts = arnParts(pattern);
  const parts = arnParts(arn);
  return (
    patternParts.length === parts.length &&
    patternParts.every((part, index) => matchesWildcard(part, parts[index] ?? ''))
  );
}

function arnParts(arn: string): readonly string[] {
  const parts = arn.split(':');
  return parts.length <= 6 ? parts : [...parts.slice(0, 5), parts.slice(5).join(':')];
}

/** Replaces the variables; undefined when one has no value, which makes the statement not apply. */
export function substituteVariables(pattern: string, keys: ReadonlyMap<string, readonly string[]>): string | undefined {
  let missing = false;
  const text = pattern.replace(/\$\{([^}]*)\}/g, (_whole, inner: string) => {
    if (inner === '*') return LITERAL_STAR;
    if (inner === '?') return LITERAL_MARK;
    if (inner === '$') return '$';
    const [name = '', fallback] = inner.split(',').map((part) => part.trim());
    const value = keys.get(name.toLowerCase())?.[0] ?? fallback?.replace(/^'|'$/g, '');
    if (value === undefined) missing = true;
    return (value ?? '').replaceAll('*', LITERAL_STAR).replaceAll('?', LITERAL_MARK);
  });
  return missing ? undefined : text;
}

/** A pattern without wildcards, for the operators that compare literally. */
export function literalText(pattern: string): string {
  return pattern.replaceAll(LITERAL_STAR, '*').replaceAll(LITERAL_MARK, '?');
}
