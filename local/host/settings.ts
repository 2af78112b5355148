/** App settings: the environment, completed from a file shaped like local.settings.json. */
import { readFileSync } from 'node:fs';
import { messageOf } from './log';

export type Settings = Readonly<Record<string, string>>;

/**
 * Reads the settings file and lays the environment over it: as under Core Tools, a variable that is
 * already set wins. Throws with a readable message when the file is not of the expected shape.
 */
export function loadSettings(file: string | undefined, environment: NodeJS.ProcessEnv): Settings {
  const settings: Record<string, string> = file === undefined ? {} : readValues(file);
  for (const [name, value] of Object.entries(environment)) {
    if (value !== undefined) {
      settings[name] = value;
    }
  }
  return settings;
}

function readValues(file: string): Record<string, string> {
  const document = (readJson(file) ?? {}) as { IsEncrypted?: unknown; Values?: unknown };
  if (document.IsEncrypted === true) {
    throw new Error(`${file}: encrypted settings are not supported; set "IsEncrypted" to false.`);
  }
  if (typeof document.Values !== 'object' || document.Values === null) {
    throw new Error(`${file}: "Values" must be an object of settings.`);
  }
  return Object.fromEntries(Object.entries(document.Values).map(([name, value]) => [name, String(value)]));
}

/** The parsed file; what is wrong with it is said with its name. */
export function readJson(file: string): unknown {
  try {
    return JSON.parse(readFileSync(file, 'utf8'));
  } catch (error) {
    throw new Error(`${file} cannot be read: ${messageOf(error)}`);
  }
}

/** Replaces each `%NAME%` by the setting of that name; an unknown one is an error, as in Azure. */
export function resolveSettings(text: string, settings: Settings): string {
  return text.replaceAll(/%([^%\s]+)%/g, (_match, name: string) => {
    const value = settings[name];
    if (value === undefined) {
      throw new Error(`The app setting "${name}" is used as %${name}% but is not set.`);
    }
    return value;
  });
}
