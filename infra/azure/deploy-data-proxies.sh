#!/bin/sh
# Deploys the same package to the function app of each region: azd knows one app for a service, and there may be twenty.
# Needs the Azure CLI, signed in; azd has set the variables from the outputs of main.bicep.
set -eu
cd "$(dirname "$0")/../.."
zip=dist/package/function-app.zip
[ -f "$zip" ] || npm run package
printf '%s\n' "${BLOCKFERRY_DATA_PROXY_APPS:-[]}" | tr -d '[]" ' | tr ',' '\n' | while read -r app; do
  [ -n "$app" ] || continue
  echo "deploying $app"
  az functionapp deployment source config-zip --resource-group "$AZURE_RESOURCE_GROUP" --name "$app" --src "$zip" --output none
done
