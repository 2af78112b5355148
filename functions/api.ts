/** The HTTP API: one function for each row of the route table. */
import { app } from '@azure/functions';
import * as df from 'durable-functions';
import { answerUnknown } from '../shared/api/fallback';
import { handleRequest } from '../shared/api/handle';
import { routes } from '../shared/api/routes';
import { composeApp } from '../shared/app/compose';
import { authSettings, loadSettings } from '../shared/app/config';
import { orchestrationClient } from '../shared/workflows/durable';
import { onControlPlane } from './registration/plane';

onControlPlane(() => {
  // With Entra the host lets everyone through, and `handleRequest` nobody whose token it does not believe.
  const { hostChecksKey } = authSettings(loadSettings());
  app.http('notFound', {
    methods: ['GET', 'HEAD', 'POST', 'PUT', 'DELETE', 'PATCH', 'OPTIONS'],
    route: '{*path}',
    authLevel: 'anonymous',
    handler: async (request, context) =>
      answerUnknown(routes, request.method, request.params['path'] ?? '', context.invocationId),
  });
  for (const route of routes) {
    app.http(route.name, {
      methods: [route.method],
      route: route.path,
      authLevel: hostChecksKey && route.roles !== 'anonymous' ? 'function' : 'anonymous',
      extraInputs: [df.input.durableClient()],
      handler: async (request, context) => {
        const { apiFor } = await composeApp();
        const deps = apiFor(orchestrationClient(df.getClient(context)));
        return handleRequest(route, request, deps, context.invocationId);
      },
    });
  }
});
