/** The HTTP API: one function for each row of the route table. */
import { app } from '@azure/functions';
import * as df from 'durable-functions';
import { handleRequest } from '../shared/api/handle';
import { routes } from '../shared/api/routes';
import { composeApp } from '../shared/app/compose';
import { orchestrationClient } from '../shared/workflows/durable';
import { onControlPlane } from './registration/plane';

onControlPlane(() => {
  for (const route of routes) {
    app.http(route.name, {
      methods: [route.method],
      route: route.path,
      authLevel: route.roles === 'anonymous' ? 'anonymous' : 'function',
      extraInputs: [df.input.durableClient()],
      handler: async (request, context) => {
        const { apiFor } = await composeApp();
        const deps = apiFor(orchestrationClient(df.getClient(context)));
        return handleRequest(route, request, deps, context.invocationId);
      },
    });
  }
});
