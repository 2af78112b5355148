/**
 * Where control plane and data plane meet: the windows of a job, the region's fleet, and what the data proxies report. With
 * the fleet "functions" this app is itself the data proxy: a queue trigger a region, scaled out by the platform.
 */
import { app, type InvocationContext } from '@azure/functions';
import * as df from 'durable-functions';
import { composeApp } from '../shared/app/compose';
import { loadSettings } from '../shared/app/config';
import {
  transferEventQueueName,
  transferEventSchema,
  transferQueueName,
  transferSchema,
} from '../shared/model/transfer';
import { orchestrationClient } from '../shared/workflows/durable';
import { createFleetEntity, type FleetState } from '../shared/workflows/fleet.entity';
import { fleetEntity } from '../shared/workflows/fleet.orchestrator';
import {
  checkTransfers,
  sendTransfers,
  transferInstanceId,
  transferOrchestrator,
  wakeEvent,
} from '../shared/workflows/transfer/contracts';
import { logTransferEvent } from '../shared/workflows/transfer/log-event';
import { transferWindows } from '../shared/workflows/transfer/transfer.orchestrator';
import { registerActivities } from './registration/activities';
import { onControlPlane, onDataPlane } from './registration/plane';

const connection = 'BLOCKFERRY_STORAGE_CONNECTION';

onControlPlane(() => {
  df.app.orchestration(transferOrchestrator, transferWindows);
  registerActivities([sendTransfers, checkTransfers]);

  df.app.entity<FleetState>(fleetEntity, async (context) => {
    const { fleet } = await composeApp();
    await createFleetEntity(fleet)(context);
  });

  app.storageQueue('transferEvents', {
    queueName: transferEventQueueName,
    connection,
    extraInputs: [df.input.durableClient()],
    handler: async (message: unknown, context: InvocationContext) => {
      const event = transferEventSchema.parse(message);
      const { catalog } = await composeApp();
      await catalog.jobs.putProgress(event);
      await logTransferEvent(catalog.jobLog, event);
      if (event.kind !== 'progress') {
        await orchestrationClient(df.getClient(context)).raise(transferInstanceId(event.jobId), wakeEvent);
      }
    },
  });
});

onDataPlane(() => {
  const settings = loadSettings();
  if (settings.BLOCKFERRY_FLEET !== 'functions') return;
  // An app that is the data proxy of one region serves that region's queue; one that is everything serves them all.
  const served =
    settings.BLOCKFERRY_SERVES === 'data-proxy' ? [settings.BLOCKFERRY_REGION] : settings.BLOCKFERRY_REGIONS;
  for (const region of served) {
    if (region === undefined) continue;
    app.storageQueue(`dataProxy-${region}`, {
      queueName: transferQueueName(region),
      connection,
      handler: async (message: unknown, context: InvocationContext) => {
        const { transferOnce } = await composeApp();
        const deliveries = Number(context.triggerMetadata?.['dequeueCount'] ?? 1);
        await transferOnce(transferSchema.parse(message), deliveries);
      },
    });
  }
});
