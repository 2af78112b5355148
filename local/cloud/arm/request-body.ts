/** What requests for several resource types have in common. */
import { ArmError } from './arm-error';
import { asText, at, type Json } from './json';

/** In lower case without blanks, as ARM compares regions. */
export function requireLocation(body: Json): string {
  const location = asText(body['location']);
  if (location === undefined || location === '') {
    throw new ArmError(400, 'LocationRequired', 'The location property is required for this definition.');
  }
  return location.toLowerCase().replaceAll(' ', '');
}

export function skuOf(body: Json, fallback: string): Json {
  const name = asText(at(body, 'sku', 'name')) ?? fallback;
  return { name, tier: name.split('_')[0] };
}

/** The named properties that are there. */
export function pick(value: Json, names: readonly string[]): Json {
  return Object.fromEntries(names.filter((name) => value[name] !== undefined).map((name) => [name, value[name]]));
}
