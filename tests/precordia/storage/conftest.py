from tests.precordia.databases import database_url as database_url
