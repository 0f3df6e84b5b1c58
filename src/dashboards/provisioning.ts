import { datasourceUid, folderTitle } from './ids.js'

/** QuestDB as a PostgreSQL server: no plugin to download. The environment of Grafana's process says where and who. */
export const datasources = {
  apiVersion: 1,
  datasources: [
    {
      name: 'dualtrace QuestDB',
      uid: datasourceUid,
      type: 'postgres',
      access: 'proxy',
      orgId: 1,
      url: '${QUESTDB_HOST}:8812',
      user: '${QUESTDB_USER}',
      // Grafana 9.4 reads `database` here, later ones in jsonData.
      database: 'qdb',
      isDefault: true,
      editable: false,
      jsonData: {
        database: 'qdb',
        sslmode: 'disable',
        postgresVersion: 1200,
        timescaledb: false,
        maxOpenConns: 10,
        maxIdleConns: 2,
        connMaxLifetime: 14400,
      },
      secureJsonData: { password: '${QUESTDB_PASSWORD}' },
    },
  ],
}

/** Where the dashboards' JSON lies inside the container; docker-compose.yml mounts grafana/dashboards there. */
export const dashboardsPath = '/var/lib/dualtrace/dashboards'

export const dashboardProviders = {
  apiVersion: 1,
  providers: [
    {
      name: 'dualtrace',
      orgId: 1,
      // By title alone: the alert rules' folder is made by title too, and a uid here could make a second one of the same name.
      folder: folderTitle,
      type: 'file',
      disableDeletion: false,
      updateIntervalSeconds: 10,
      allowUiUpdates: false,
      options: { path: dashboardsPath, foldersFromFilesStructure: false },
    },
  ],
}
