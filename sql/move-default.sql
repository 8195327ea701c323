-- A default of the one role becomes the other; any other default stays as it is.
DO $default$
BEGIN
    IF EXISTS (SELECT FROM pg_attrdef AS d JOIN pg_attribute AS a
                   ON a.attrelid = d.adrelid AND a.attnum = d.adnum
                WHERE d.adrelid = {{ users_literal }}::regclass AND a.attname = {{ role_literal }}
                  AND starts_with(pg_get_expr(d.adbin, d.adrelid),
                                  quote_literal({{ from_role }}) || '::'))
    THEN
        ALTER TABLE {{ users }} ALTER COLUMN {{ role }} SET DEFAULT {{ to_role }};
    END IF;
END
$default$;
