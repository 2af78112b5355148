/** What answers below `/api` where no row of the table does: 404, or 405 with the methods that would be right. */
import type { HttpResponseInit } from '@azure/functions';
import { toHttp } from './http';
import { notFound, ProblemError, problemResponse } from './problem';
import type { Route } from './route';

/** `path` is below the prefix `api`. Tells nothing that the published document does not tell. */
export function answerUnknown(
  routes: readonly Route[],
  method: string,
  path: string,
  requestId: string,
): HttpResponseInit & { readonly status: number } {
  const fitting = routes.filter((route) => fits(route.path, path));
  if (fitting.length === 0) return toHttp(problemResponse(notFound('there is nothing here'), requestId));
  const allow = [...new Set(fitting.map((route) => route.method))].join(', ');
  const detail = `${method.slice(0, 20)} is not possible here; ${allow} is`;
  const problem = new ProblemError({ status: 405, code: 'request.method', detail, headers: { allow } });
  return toHttp(problemResponse(problem, requestId));
}

function fits(template: string, path: string): boolean {
  const wanted = template.split('/');
  const given = path.split('/').filter((part) => part !== '');
  const rest = wanted.findIndex((part) => part.startsWith('{*'));
  if (rest === -1 ? wanted.length !== given.length : given.length < rest) return false;
  return wanted
    .slice(0, rest === -1 ? wanted.length : rest)
    .every((part, index) => part.startsWith('{') || part.toLowerCase() === given[index]?.toLowerCase());
}
